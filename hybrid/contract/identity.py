"""Who the workers run as: the arbiter gives them their socket and log files, they themselves change user."""

from __future__ import annotations

import grp
import os
import pwd

from hybrid.errors import SettingsError, WorkerBootError
from hybrid.settings import Settings


def owner(settings: Settings) -> tuple[int, int]:
    """The uid and gid of the workers. Raises SettingsError for a user or group that does not exist."""
    uid, gid = os.geteuid(), os.getegid()
    if settings.user:
        try:
            uid = int(settings.user) if settings.user.isdigit() else pwd.getpwnam(settings.user).pw_uid
        except KeyError:
            raise SettingsError(f"setting user: there is no user {settings.user!r} on this machine") from None
    if settings.group:
        try:
            gid = int(settings.group) if settings.group.isdigit() else grp.getgrnam(settings.group).gr_gid
        except KeyError:
            raise SettingsError(f"setting group: there is no group {settings.group!r} on this machine") from None
    return uid, gid


def become_owner(settings: Settings) -> None:
    """Change this process to the user and group of the settings, for good. No-op if it has them.

    The supplementary groups of the old user go as well: those of root would be most of what root can do
    to files. Raises WorkerBootError when the system refuses.
    """
    uid, gid = owner(settings)
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return
    try:
        if os.geteuid() == 0:
            try:
                os.initgroups(pwd.getpwuid(uid).pw_name, gid)
            except KeyError:  # a number without an entry has no groups but this one
                os.setgroups([gid])
        if gid != os.getegid():
            os.setgid(gid)
        if uid != os.geteuid():
            os.setuid(uid)
    except OSError as error:
        raise WorkerBootError(
            f"cannot change to user {settings.user or uid} group {settings.group or gid}: "
            f"{(error.strerror or '').lower()}; start as root, or leave out --user and --group"
        ) from error
