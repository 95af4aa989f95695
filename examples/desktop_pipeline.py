"""A desktop tool with tkinter: the pipeline as columns that follow the data, whoever changes it.

All state is in ``PipelineStore`` (pipeline_store.py); a window only draws it. The store tells in threads of its own, so
the newest state is put aside and drawn by tkinter's own loop. Run it: ``python examples/desktop_pipeline.py app.db``.
"""

from __future__ import annotations

import sys
import tkinter as tk
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pipeline_store import STAGES, PipelineStore, rows, title

import crm_schema
import parsekit

REDRAW_MS = 50


class Board:
    """One list a stage. A double click moves a deal to the next one."""

    def __init__(self, root: tk.Misc, store: PipelineStore) -> None:
        self.root, self.store, self.drawn = root, store, -1
        self.labels: dict[str, tk.Label] = {}
        self.lists: dict[str, tk.Listbox] = {}
        for column, stage in enumerate(STAGES):
            self.labels[stage] = tk.Label(root)
            self.labels[stage].grid(row=0, column=column)
            self.lists[stage] = tk.Listbox(root, width=28, height=20)
            self.lists[stage].grid(row=1, column=column)
            self.lists[stage].bind("<Double-Button-1>", lambda _, stage=stage: self.advance(stage))
        self.redraw()

    def redraw(self) -> None:
        """Draw what is new, and look again a little later."""
        version, state = self.store.version, self.store.state
        if version != self.drawn:
            self.drawn = version
            for stage, texts in rows(state).items():
                self.labels[stage]["text"] = title(stage, state)
                self.lists[stage].delete(0, tk.END)
                self.lists[stage].insert(tk.END, *texts)
        self.root.after(REDRAW_MS, self.redraw)

    def advance(self, stage: str) -> None:
        """Move the selected deal of a stage to the next stage."""
        selected: Any = self.lists[stage].curselection()
        following = STAGES[STAGES.index(stage) + 1 :]
        if selected and following:
            self.store.move(self.store.state[stage].deals[selected[0]], following[0])


def main(path: str) -> None:
    with (
        parsekit.open(path, schema=crm_schema.SCHEMA) as engine,
        engine.acting_as_master(),
        PipelineStore() as store,
    ):
        root = tk.Tk()
        root.title("Pipeline")
        Board(root, store)
        root.mainloop()


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else ":memory:")
