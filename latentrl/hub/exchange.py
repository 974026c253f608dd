"""Sending and fetching through ``huggingface_hub``, which alone knows of logins and tokens."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from latentrl.hub.files import OF_THE_HUB, check_size, travels
from latentrl.support.errors import UserError, one_line

HASH = re.compile(r"[0-9a-f]{40}")
REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
EXTRA = "pip install 'latentrl[hub]'"
LOGIN = "log in with `hf auth login`, or set HF_TOKEN, with the right to do so"


def check_repo(repo: str) -> None:
    """Refuse what is no ``user/name``.

    Raises:
        UserError: says how it is written.
    """
    if not REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise UserError(f"{repo!r}: give user/name, as the hub calls it")


def send(repo: str, files: Mapping[str, bytes], private: bool, message: str) -> str:
    """Put the files into a repository as one commit, which is made where there is none; returns the commit's hash.

    Raises:
        UserError: huggingface_hub is missing, or the hub refuses.
    """
    hub = _library()
    with _told(repo):
        api = hub.HfApi(endpoint=_endpoint())
        api.create_repo(repo, private=private, exist_ok=True)
        adding = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
        return str(api.create_commit(repo, adding, commit_message=message).oid)


def fetch(repo: str, revision: str | None) -> tuple[str, dict[str, bytes]]:
    """The hash of a revision, and its files by name; each is what the hub says it is in that commit.

    Args:
        repo: ``user/name``.
        revision: a commit's hash; None: the newest.

    Raises:
        UserError: huggingface_hub is missing, no such repository or revision, files that are not those of a run, or
            others than the commit holds.
    """
    hub = _library()
    with _told(repo):
        info = hub.HfApi(endpoint=_endpoint()).model_info(repo, revision=revision, files_metadata=True)
    found = str(info.sha)
    if not HASH.fullmatch(found) or (revision is not None and found != revision):
        raise UserError(f"{repo}: the hub answers with revision {found!r} for {revision or 'the newest'}: give another")
    listed = {one.rfilename: one for one in info.siblings or () if one.rfilename not in OF_THE_HUB}
    foreign = sorted(name for name in listed if not travels(name))
    if foreign:
        raise UserError(f"{repo}: holds {foreign[0]!r}, which is no file of a run: nothing was fetched")
    for name, one in listed.items():
        check_size(name, -1 if one.size is None else one.size, repo)
    with tempfile.TemporaryDirectory() as folder:
        return found, {name: _fetched(hub, repo, found, one, Path(folder)) for name, one in sorted(listed.items())}


def _fetched(hub: ModuleType, repo: str, revision: str, listed: Any, folder: Path) -> bytes:
    """One file, compared with the digest that the commit's listing has of it."""
    name = listed.rfilename
    with _told(repo):
        path = hub.hf_hub_download(repo, name, revision=revision, local_dir=folder, endpoint=_endpoint())
    content = Path(path).read_bytes()
    large = listed.lfs
    if large is not None:
        same = hashlib.sha256(content).hexdigest() == large.sha256
    else:  # as git names a file by its content; no signature, and none is needed against what the listing itself says
        same = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == listed.blob_id
    if not same or len(content) != listed.size:
        raise UserError(f"{repo}: {name} is not what commit {revision[:12]} holds: fetch it again")
    return content


def _library() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(f"the hub needs huggingface_hub: {EXTRA}") from error
    return huggingface_hub


def _endpoint() -> str | None:
    """A hub other than the public one, as the library's own variable names it."""
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """Tell whatever the library has to complain of in one line: its errors are of many kinds, and of other packages."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        name = type(error).__name__
        if status in (401, 403) and name != "RepositoryNotFoundError":
            raise UserError(f"{repo}: the hub does not allow it ({status}): {LOGIN}") from error
        if name == "RepositoryNotFoundError":
            raise UserError(f"{repo}: there is no such repository, or it is not yours to see: {LOGIN}") from error
        if name == "RevisionNotFoundError":
            raise UserError(f"{repo}: has no such revision; give the hash of one of its commits") from error
        raise UserError(f"{repo}: {one_line(error)}; is the network there?") from error
