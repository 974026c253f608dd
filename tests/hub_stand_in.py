"""As much of the Hugging Face Hub's API as a push and a pull take, on loopback; repositories live in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_nobodyshouldeverseethis"
REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Hub:
    """What the stand-in holds and has seen.

    Attributes:
        commits: of a repository, hashes with their files, the oldest first.
        private: whether a repository was made so.
        stored: large files by their SHA-256.
        bodies: of all requests, without their headers.
        served: what is sent in place of a file's contents, by its name.
    """

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    endpoint: str = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add a commit that holds these files beside those of the last one; returns its hash."""
        known = self.commits.setdefault(repo, {})
        whole = {**(known[next(reversed(known))] if known else {}), **files}
        digest = hashlib.sha1(repr((len(known), sorted(whole.items()))).encode()).hexdigest()
        known[digest] = whole
        return digest

    def newest(self, repo: str) -> str:
        """The hash of the last commit."""
        return next(reversed(self.commits[repo]))


def is_large(name: str) -> bool:
    """Whether the hub keeps a file apart from git."""
    return name.endswith(".safetensors")


def blob_id(content: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub at ``endpoint``, on loopback, until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def answer(self, status: int, content: Any = b"", **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def body(self) -> bytes:
            found = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.bodies.append(found)
            return found

        @property
        def allowed(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def do_PUT(self) -> None:
            content = self.body()
            hub.stored[hashlib.sha256(content).hexdigest()] = content
            self.answer(200)

        def do_POST(self) -> None:
            body = self.body()
            path = self.path.partition("?")[0]
            if path == "/api/validate-yaml":
                return self.answer(200, {"errors": [], "warnings": []})
            if not self.allowed:
                return self.answer(401, {"error": "Invalid credentials"})
            if path == "/api/repos/create":
                return self.create(json.loads(body))
            found = re.fullmatch(rf"/api/models/{REPO}/(?P<what>preupload|commit)/main", path)
            if found and found["what"] == "preupload":
                return self.answer(200, {"files": [_mode(one["path"]) for one in json.loads(body)["files"]]})
            if found:
                return self.commit(found["repo"], body.splitlines())
            if path.endswith(".git/info/lfs/objects/batch"):
                objects = [
                    {**one, "actions": {"upload": {"href": f"{hub.endpoint}/lfs/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]
                return self.answer(200, {"transfer": "basic", "objects": objects})
            self.answer(404, {"error": path})

        def create(self, asked: dict[str, Any]) -> None:
            repo = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            if repo in hub.private:
                return self.answer(409, {"error": "You already created this model repo", "url": repo})
            hub.private[repo] = asked.get("private") or asked.get("visibility") == "private"
            hub.commit(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
            self.answer(200, {"url": f"{hub.endpoint}/{repo}", "name": repo, "id": repo})

        def commit(self, repo: str, lines: list[bytes]) -> None:
            files = {}
            for line in map(json.loads, lines):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = hub.stored[value["oid"]]
            oid = hub.commit(repo, files)
            self.answer(200, {"success": True, "commitOid": oid, "commitUrl": f"{hub.endpoint}/{repo}/commit/{oid}"})

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked = re.fullmatch(rf"/api/models/{REPO}(?:/revision/(?P<revision>\w+))?", path)
            file = re.fullmatch(rf"/{REPO}/resolve/(?P<revision>\w+)/(?P<name>.+)", path)
            found = asked or file
            if (
                found is None
                or found["repo"] not in hub.commits
                or not (self.allowed or not hub.private[found["repo"]])
            ):
                return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            revision = found["revision"] or hub.newest(found["repo"])
            if revision not in hub.commits[found["repo"]]:
                return self.answer(404, {"error": "Revision Not Found"}, X_Error_Code="RevisionNotFound")
            files = hub.commits[found["repo"]][revision]
            if asked:
                siblings = [_listed(name, content) for name, content in files.items()]
                return self.answer(200, {"id": found["repo"], "sha": revision, "siblings": siblings, "tags": []})
            assert file is not None
            content = files[file["name"]]
            tag = hashlib.sha256(content).hexdigest() if is_large(file["name"]) else blob_id(content)
            headers = {"X_Repo_Commit": revision, "ETag": f'"{tag}"'}
            self.answer(200, hub.served.get(file["name"], content), **headers)

    return Handler


def _mode(name: str) -> dict[str, Any]:
    return {"path": name, "uploadMode": "lfs" if is_large(name) else "regular", "shouldIgnore": False, "oid": None}


def _listed(name: str, content: bytes) -> dict[str, Any]:
    listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob_id(content)}
    if is_large(name):
        listed["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return listed
