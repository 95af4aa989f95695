"""``PFUser``, ``PFRole`` and ``PFSession``: the classes of the Parse SDKs, over the accounts of the engine.

``PFUser.sign_up``, ``log_in`` and ``become`` make the user the principal of the current context (this thread
or task, until the surrounding ``with`` block ends), ``log_out`` returns to anonymous; ``PFUser.current()``
is that user.

The password can be set and never read; neither it nor the session token is part of ``keys()``, ``to_json()``
or ``repr``. How passwords and sessions work is ``parsekit.auth``'s affair, who has which role
``parsekit.acl``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

from parsekit import attrs
from parsekit._context import CURRENT, Binding, current_binding
from parsekit.acl.acl import PFACL
from parsekit.acl.principal import Principal
from parsekit.acl.roles import check_role_name
from parsekit.errors import EngineError, InvalidSessionTokenError, OtherCauseError, did_you_mean
from parsekit.object import PFObject
from parsekit.operations import Delete, Operation, OperationSet, Set
from parsekit.relation import PFRelation
from parsekit.typed import PFField
from parsekit.values import MISSING, Missing, Value

__all__ = ["PFRole", "PFSession", "PFUser"]

_TOKEN: Final = "sessionToken"
_UNLISTED: Final = frozenset({"password", _TOKEN, "authDataResponse"})
_ANONYMOUS: Final = "anonymous"
_READ_ONLY: Final = frozenset({_TOKEN, "createdWith", "restricted", "installationId", "user", "expiresAt"})


class PFUser(PFObject, class_name="_User"):
    """A user. Make one with ``sign_up``; subclass it for typed fields."""

    __slots__ = ()

    def __init__(self, /, **values: Any) -> None:
        super().__init__()
        kind = type(self)
        typed = kind.parse_schema is not None and bool(kind.parse_schema.own_fields)
        for name, value in values.items():
            if isinstance(getattr(kind, name, None), property | PFField):
                setattr(self, name, value)
            elif typed:
                raise TypeError(
                    f"{kind.__name__}: there is no attribute {name!r}{did_you_mean(name, dir(kind))}"
                )
            else:
                self[name] = value

    # -- fields ------------------------------------------------------------------------------------

    @property
    def username(self) -> str | None:
        """The name to log in with. Setting it on an anonymous user makes that one a regular user."""
        return self.get("username")  # type: ignore[no-any-return]

    @username.setter
    def username(self, value: str) -> None:
        self["username"] = value

    @property
    def email(self) -> str | None:
        """The email address; of other users it is hidden."""
        return self.get("email")  # type: ignore[no-any-return]

    @email.setter
    def email(self, value: str) -> None:
        self["email"] = value

    @property
    def password(self) -> str:
        """Set it to sign up or to change it; reading raises ``EngineError``."""
        raise EngineError(
            "PFUser.password: it can be set, not read; compare one with PFUser.verify_password()"
        )

    @password.setter
    def password(self, value: str) -> None:
        self["password"] = value

    @property
    def session_token(self) -> str | None:
        """The token of the session in which this user logged in here, ``None`` for other users."""
        own = self.raw(_TOKEN)
        if isinstance(own, str):
            return own
        principal = _principal_of(self)
        return None if principal is None else principal.session_token

    @property
    def is_authenticated(self) -> bool:
        """Whether this user is logged in here: it has a session token, or is the principal of the context."""
        return self.session_token is not None or _principal_of(self) is not None

    def keys(self) -> list[str]:
        """The keys that hold a value; never password and session token."""
        keys = super().keys()
        return [key for key in keys if key not in _UNLISTED]

    def perform(self, key: str, operation: Operation) -> None:
        """Add a pending operation. ``EngineError`` for ``sessionToken``, and for removing the username."""
        if key == _TOKEN:
            raise EngineError("PFUser: sessionToken is set by logging in and cannot be assigned")
        if key == "username" and isinstance(operation, Delete):
            raise EngineError("PFUser: the username cannot be removed; set another one")
        super().perform(key, operation)
        if key == "username" and self.is_linked_with(_ANONYMOUS):
            super().perform("authData", Set({_ANONYMOUS: None}))

    # -- saving ------------------------------------------------------------------------------------

    def begin_save(self) -> OperationSet:
        """What is pending. A new user is signed up, not saved, except by a master.

        Raises:
            OtherCauseError: -1, the user never signed up.
        """
        # SAFETY: a master creates users without becoming one of them.
        if self.is_new and not current_binding().principal.bypasses_permissions:
            raise OtherCauseError(
                "User cannot be saved unless they are already signed up. Call signUp first.",
                hint="PFUser.sign_up(username, password=...)",
            )
        return super().begin_save()

    def saved(self, operations: OperationSet, answer: Mapping[str, Value | Missing]) -> None:
        """Take in a save; a change of password brings a new session."""
        super().saved(operations, answer)
        token, binding = answer.get(_TOKEN), CURRENT.get()
        if isinstance(token, str) and binding is not None and binding.principal.user_id == self.object_id:
            _become(binding, self, token)

    def take_session(self, token: str) -> None:
        """The engine's part: this is the user whose session has that token."""
        self._local().server[_TOKEN] = token

    # -- signing up and logging in -------------------------------------------------------------------

    @classmethod
    def sign_up(cls, username: str, *, password: str, email: str | None = None, **fields: Any) -> Self:
        """Create a user and log in as that user. ``fields`` are attributes, or keys of an untyped user.

        Raises:
            UsernameMissingError, PasswordMissingError: 200, 201. UsernameTakenError, EmailTakenError:
                202, 203.
            EmailAddressError: 125. ValidationError: 142, the password policy.
        """
        user = cls(username=username, password=password, **fields)
        if email is not None:
            user.email = email
        return user._sign_up()

    def _sign_up(self) -> Self:
        binding = current_binding()
        signed = binding.engine.sign_up(self, binding.principal)
        self.revert()
        self.refresh_from(signed.user)
        if signed.token is not None:
            _become(binding, self, signed.token)
        return self

    @classmethod
    def log_in(cls, username: str, password: str, *, auth_data: Mapping[str, Any] | None = None) -> PFUser:
        """Log in by username or email address; ``auth_data`` brings a second factor.

        Raises:
            ObjectNotFoundError: 101, wrong, locked or expired. EmailNotFoundError: 205, the address is
                not verified.
            UsernameMissingError, PasswordMissingError: 200, 201.
        """
        binding = current_binding()
        accounts = binding.engine.accounts
        signed = accounts.log_in(username, password, auth_data=auth_data, principal=binding.principal)
        return _become(binding, signed.user, signed.token)

    @classmethod
    def log_in_with(cls, auth_type: str, auth_data: Mapping[str, Any]) -> PFUser:
        """Log in with an account of another service; signs up when no user has it.

        Raises:
            UnsupportedServiceError: 252. AccountLinkedError: 208. ParseError: what the adapter raises.
        """
        user = cls()
        user["authData"] = {auth_type: dict(auth_data)}
        return user._sign_up()

    @classmethod
    def log_in_anonymously(cls) -> PFUser:
        """Log in as a new user without a name; setting username and password later keeps its objects."""
        drawn = current_binding().engine.accounts.options.random_bytes(16)
        import uuid

        return cls.log_in_with(_ANONYMOUS, {"id": str(uuid.UUID(bytes=drawn, version=4))})

    @classmethod
    def become(cls, session_token: str) -> PFUser:
        """Log in with the token of a session. ``InvalidSessionTokenError`` (209) when it is none."""
        binding = current_binding()
        return _become(binding, binding.engine.accounts.user_of(session_token), session_token)

    @staticmethod
    def log_out() -> None:
        """End the current session; the context is anonymous from now on."""
        binding = current_binding()
        principal = binding.principal
        binding.engine.accounts.log_out(principal.session_token)
        anonymous = Principal.anonymous(installation_id=principal.installation_id)
        CURRENT.set(Binding(binding.engine, anonymous))

    @staticmethod
    def current() -> PFUser | None:
        """The user of the current context, ``None`` when nobody is logged in."""
        binding = current_binding()
        user_id = binding.principal.user_id
        if user_id is None:
            return None
        if isinstance(binding.user, PFUser) and binding.user.object_id == user_id:
            return binding.user
        kind = binding.engine.class_for("_User")
        return kind._stub("_User", user_id, binding.engine)  # type: ignore[no-any-return]

    @staticmethod
    def verify_password(username: str, password: str) -> PFUser:
        """The user whose password this is, without logging in. Raises as ``log_in`` does."""
        binding = current_binding()
        found: PFUser = binding.engine.accounts.verify_password(
            username, password, principal=binding.principal
        )
        return found

    @staticmethod
    def request_password_reset(email: str) -> None:
        """Send the user of this address a mail to set a new password with; unknown addresses are not told
        apart.

        Raises:
            EmailMissingError, EmailAddressError: 204, 125. InternalServerError: 1, no mail adapter.
        """
        current_binding().engine.accounts.mail_tokens.request_password_reset(email)

    # -- accounts of other services --------------------------------------------------------------------

    def is_linked_with(self, auth_type: str) -> bool:
        """Whether this user, as far as known here, has an account of that service."""
        auth_data = self.raw("authData")
        return isinstance(auth_data, Mapping) and auth_data.get(auth_type) is not None

    def link_with(self, auth_type: str, auth_data: Mapping[str, Any]) -> None:
        """Link an account of another service and save.

        Raises:
            AccountLinkedError: 208, it is another user's. UnsupportedServiceError: 252.
        """
        self._set_account(auth_type, dict(auth_data))

    def unlink_with(self, auth_type: str) -> None:
        """Unlink an account and save."""
        self._set_account(auth_type, None)

    def _set_account(self, auth_type: str, entry: dict[str, Any] | None) -> None:
        self["authData"] = {auth_type: entry}
        try:
            self.save()
        except BaseException:
            self.revert("authData")
            raise
        token = self.raw(_TOKEN)
        self.fetch()
        if isinstance(token, str):
            self.take_session(token)


def _principal_of(user: PFUser) -> Principal | None:
    binding = CURRENT.get()
    if binding is None or user.object_id is None or binding.principal.user_id != user.object_id:
        return None
    return binding.principal


def _become(binding: Binding, user: PFUser, token: str) -> PFUser:
    """Make the user the principal of the current context."""
    installation = binding.principal.installation_id
    principal = Principal.user(str(user.object_id), session_token=token, installation_id=installation)
    user.take_session(token)
    CURRENT.set(attrs.evolve(binding, principal=principal, user=user))
    return user


class PFRole(PFObject, class_name="_Role"):
    """A role: ``PFRole("managers", acl=acl)``. Who may change its members is said by its ACL."""

    __slots__ = ()

    def __init__(self, name: str | None = None, /, *, acl: PFACL | None = None, **values: Any) -> None:
        super().__init__()
        if name is not None:
            self.name = name
        if acl is not None:
            self.acl = acl
        for key, value in values.items():
            self[key] = value

    @property
    def name(self) -> str | None:
        """The name, which ACLs know the role by; it cannot be changed once saved.

        Setting it raises ``RoleNameError`` (139) for anything but letters, digits, ``_``, ``-`` and spaces.
        """
        return self.get("name")  # type: ignore[no-any-return]

    @name.setter
    def name(self, value: str) -> None:
        self["name"] = value

    def perform(self, key: str, operation: Operation) -> None:
        """Add a pending operation. ``EngineError`` for the name of a saved role, as in the SDKs."""
        if key == "name":
            if self.object_id is not None and not self.is_new:
                raise EngineError("PFRole: a role's name can only be set before it has been saved")
            if isinstance(operation, Set):
                check_role_name(operation.value)
        super().perform(key, operation)

    def begin_save(self) -> OperationSet:
        """What is pending. ``EngineError`` for a new role without a name."""
        if self.is_new and self.raw("name") in (MISSING, None):
            raise EngineError("PFRole: new roles must specify a name; PFRole(name, acl=...)")
        return super().begin_save()

    @property
    def users(self) -> PFRelation[PFUser]:
        """The users who have the role directly."""
        return PFRelation(self, "users", "_User")

    @property
    def roles(self) -> PFRelation[PFRole]:
        """The roles whose members have this role too."""
        return PFRelation(self, "roles", "_Role")


class PFSession(PFObject, class_name="_Session"):
    """A session of a user, who sees only their own. Its own fields are read-only."""

    __slots__ = ()

    @staticmethod
    def current() -> PFSession:
        """The session of the current context. ``InvalidSessionTokenError`` (209) without one."""
        binding = current_binding()
        token = binding.principal.session_token
        found: PFSession | None = None if token is None else binding.engine.accounts.sessions.find(token)
        if found is None:
            raise InvalidSessionTokenError("Session token required.")
        return found

    def perform(self, key: str, operation: Operation) -> None:
        """Add a pending operation. ``EngineError`` for what the server sets."""
        if key in _READ_ONLY:
            raise EngineError(f"PFSession: {key} is read-only")
        super().perform(key, operation)

    @property
    def session_token(self) -> str | None:
        """The token."""
        return self.get(_TOKEN)  # type: ignore[no-any-return]

    @property
    def user(self) -> PFUser | None:
        """Whose session it is."""
        return self.get("user")  # type: ignore[no-any-return]

    @property
    def expires_at(self) -> datetime | None:
        """When it ends, ``None`` for never."""
        return self.get("expiresAt")  # type: ignore[no-any-return]

    @property
    def created_with(self) -> dict[str, Any]:
        """How it began: ``action``, and ``authProvider`` where there was one."""
        return self.get("createdWith") or {}

    @property
    def installation_id(self) -> str | None:
        """The installation it belongs to."""
        return self.get("installationId")  # type: ignore[no-any-return]

    @property
    def is_restricted(self) -> bool:
        """Whether it is one that a client made beside its own."""
        return self.created_with.get("action") == "create"
