"""A small hub on this machine for the hub's real client: repositories in memory, over HTTP.

Speaks what the client asks when it fetches: the listing of a repository with sizes and digests
(``/api/datasets/<id>/revision/<revision>``) and its files (``/datasets/<id>/resolve/<commit>/<path>``); and what
``datasets.load_dataset`` asks beside these: its folders (``.../tree/<commit>/<folder>``) and single files of it
(``.../paths-info/<commit>``).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Fake:
    """What the hub holds, and what was asked of it.

    Attributes:
        repos: ``datasets/<owner>/<name>`` or ``models/<owner>/<name>`` -> commit -> path -> content; the last commit is
            that of every branch.
        refuse: Repository -> status, error code and message that it answers with.
        sent: Paths of the files whose content was sent, in order.
        tokens: Tokens that came along.
        spoil: Changes the content on its way.
    """

    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refuse: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    spoil: Callable[[str, bytes], bytes] = lambda path, data: data
    url: str = ""

    def add(self, kind: str, repo: str, folder: Path, commit: str = "1" * 40) -> None:
        """Takes the files of a folder as a new commit of a repository."""
        files = {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self.repos.setdefault(f"{kind}/{repo}", {})[commit] = files

    def listing(self, name: str, commit: str) -> dict:
        siblings = []
        for path, data in self.repos[name][commit].items():
            entry = {"rfilename": path, "size": len(data), "blobId": git_id(data)}
            if not path.endswith((".md", ".json", ".py")):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": name.split("/", 1)[1], "sha": commit, "siblings": siblings, "private": False}

    def inside(self, name: str, commit: str, folder: str, deep: bool) -> list[dict]:
        """What is in a folder of a repository, as the hub lists a tree."""
        start, found = f"{folder}/" if folder else "", {}
        for path, data in self.repos[name][commit].items():
            if path.startswith(start):
                first, _, more = path[len(start) :].partition("/")
                if more:
                    found[start + first] = {"type": "directory", "path": start + first, "oid": "0" * 40, "size": 0}
                if deep or not more:
                    found[path] = {"type": "file", "path": path, "oid": git_id(data), "size": len(data)}
        return list(found.values())


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            return

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            asked = parse_qs(self.rfile.read(size).decode()).get("paths", [])
            _, _, *repo, _, revision = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            name = "/".join(["datasets", *repo])
            commit = list(fake.repos[name])[-1] if revision == "main" else revision
            every = fake.inside(name, commit, "", True)
            found = [entry for entry in every if entry["path"] in asked]
            self.answer(200, json.dumps(found).encode(), Content_Type="application/json")

        def do_GET(self) -> None:
            fake.tokens.append(self.headers.get("Authorization"))
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            listing = parts[0] == "api"
            parts = parts[1:] if listing else parts
            kind = parts.pop(0) if parts[0] in ("datasets", "models") else "models"
            name = "/".join([kind, *parts[:2]])
            if name in fake.refuse:
                status, code, message = fake.refuse[name]
                return self.answer(status, b"{}", X_Error_Code=code, X_Error_Message=message)
            if name not in fake.repos:
                return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
            revision = parts[3] if len(parts) > 3 else "main"
            commit = list(fake.repos[name])[-1] if revision in ("main", "refs/convert/parquet") else revision
            if commit not in fake.repos[name]:
                return self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
            if listing and parts[2:3] == ["tree"]:
                deep = "recursive=true" in urlsplit(self.path).query.lower()
                tree = fake.inside(name, commit, "/".join(parts[4:]), deep)
                return self.answer(
                    200 if tree else 404,
                    json.dumps(tree).encode(),
                    Content_Type="application/json",
                    **({} if tree else {"X_Error_Code": "EntryNotFound"}),
                )
            if listing:
                return self.answer(
                    200, json.dumps(fake.listing(name, commit)).encode(), Content_Type="application/json"
                )
            path = "/".join(parts[4:])
            data = fake.repos[name][commit].get(path)
            if data is None:
                return self.answer(404, X_Error_Code="EntryNotFound")
            if self.command == "GET":
                fake.sent.append(f"{name}/{path}")
                data = fake.spoil(path, data)
            return self.answer(200, data, ETag=f'"{git_id(data)}"', X_Repo_Commit=commit)

    return Handler


@contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """Serves a hub until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
