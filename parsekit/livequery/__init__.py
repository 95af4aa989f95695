"""Live queries: who hears of which change. Start reading at ``dispatcher``; users start at ``PFQuery.subscribe()``."""
