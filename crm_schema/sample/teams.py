"""The people behind sales_teams.csv: who may have which username, and which managers there are.

Every person becomes a user and every manager and office a role, so what the file leaves open has to be
settled here: a username belongs to one person, a manager has one office, and an office's name can be part of
a role's.
"""

from __future__ import annotations

import attrs

from crm_schema.sample.cells import Cells, Fault
from crm_schema.sample.names import ROLE_NAME, office_role, slug
from crm_schema.sample.rows import Agent, Manager
from crm_schema.sample.tables import shown


@attrs.define
class Team:
    """The people of the rows admitted so far."""

    managers: dict[str, Manager] = attrs.field(factory=dict)
    _by_username: dict[str, tuple[str, int]] = attrs.field(factory=dict)

    def check(self, agent: Agent, cells: Cells) -> None:
        """Add to the cells every fault for which the agent's row cannot be admitted."""
        office = agent.regional_office
        if ROLE_NAME.fullmatch(office_role(office)) is None:
            cells.faults.append(
                Fault(
                    f"regional_office {shown(office)} cannot be part of the name of a role",
                    "ASCII letters, digits, spaces, hyphens and underscores",
                    "rename the office",
                )
            )
        manager = self.managers.get(agent.manager)
        if manager is not None and manager.regional_office != office:
            cells.faults.append(
                Fault(
                    f"regional_office {shown(office)} is not the {shown(manager.regional_office)} that the"
                    f" manager {shown(manager.name)} has on line {manager.line}",
                    "one office for all agents of a manager",
                    "correct the office or the manager",
                )
            )
        taken = dict(self._by_username)
        self._take_username("sales_agent", agent.name, taken, cells)
        if manager is None:
            self._take_username("manager", agent.manager, taken, cells)

    def admit(self, agent: Agent) -> None:
        """Take in the people of a row that `check` found nothing wrong with."""
        self._by_username[slug(agent.name)] = (agent.name, agent.line)
        if agent.manager not in self.managers:
            self._by_username[slug(agent.manager)] = (agent.manager, agent.line)
            self.managers[agent.manager] = Manager(agent.line, agent.manager, agent.regional_office)

    @staticmethod
    def _take_username(column: str, name: str, taken: dict[str, tuple[str, int]], cells: Cells) -> None:
        username = slug(name)
        if not username:
            cells.faults.append(
                Fault(
                    f"{column} {shown(name)} has nothing that a username could be made of",
                    "a name with ASCII letters or digits",
                    "write the name in ASCII letters",
                )
            )
        elif username in taken:
            holder, line = taken[username]
            cells.faults.append(
                Fault(
                    f"{column} {shown(name)} would have the username {username!r}, which {shown(holder)}"
                    f" of line {line} has",
                    "different usernames for all agents and managers",
                    "tell the two names apart",
                )
            )
        taken[username] = (name, cells.line)
