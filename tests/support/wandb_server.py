"""A stand-in for W&B's server: takes runs, their histories and summaries, says what it has, and records all calls."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = "us"


@dataclass
class ServerRun:
    """What the server has of a run."""

    name: str
    project: str
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    begun: int = 0
    state: str = "running"


class Server(ThreadingHTTPServer):
    """Runs by their ids, and every call.

    Attributes:
        runs: Id -> run.
        calls: The names of the queries, and of what a run streams, in order.
        unknown: Queries that it does not know; they get an empty answer.
        artifacts: The names of the artifacts that were sent.
        views: Id -> what a saved view or a report holds.
        hold_after: The run of this number is held: what it streams is taken, and not answered before ``go``; None
            holds none.
        held: Set when a run is held.
        go: Lets it go.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs: dict[str, ServerRun] = {}
        self.calls: list[str] = []
        self.unknown: list[str] = []
        self.artifacts: list[str] = []
        self.views: dict[str, dict[str, Any]] = {}
        self.hold_after: int | None = None
        self.held, self.go = threading.Event(), threading.Event()
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is no error."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers as W&B's server does, as far as its client asks."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """Answers a request for a file."""
        self._answer({})

    def do_PUT(self) -> None:
        """Takes a file."""
        self._body()
        self._answer({})

    def do_POST(self) -> None:
        """Takes a query, or lines of a run."""
        body = self._body()
        if self.path.endswith("/file_stream"):
            self._stream(json.loads(body))
            return
        if self.path != "/graphql":  # figures of W&B about itself
            self._answer({})
            return
        asked = json.loads(body)
        query, values = asked["query"], asked.get("variables") or {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else query.strip()[:40]
        with self.server.lock:
            self.server.calls.append(name)
            answer = getattr(self, f"on_{name}", None)
            if answer is None:
                self.server.unknown.append(f"{name}: {query} {values}")
                self._answer({"data": {}})
            else:
                self._answer({"data": answer(values)})

    def on_Viewer(self, values: dict[str, Any]) -> Any:
        return {"viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": None}}

    def on_GetDefaultEntity(self, values: dict[str, Any]) -> Any:
        return {"viewer": {"id": "v", "entity": ENTITY}}

    def on_Runs(self, values: dict[str, Any]) -> Any:
        ids = json.loads(values["filters"])["name"]["$in"]
        found = [run for run in self.server.runs.values() if run.project == values["project"] and run.name in ids]
        if not any(run.project == values["project"] for run in self.server.runs.values()):
            return {"project": None}
        nodes: list[dict[str, Any]] = [
            {
                **{"projectId": "1", "id": run.name, "name": run.name, "displayName": run.fields.get("displayName")},
                **{"state": run.state, "config": json.dumps(run.config), "summaryMetrics": json.dumps(run.summary)},
                **{"tags": [], "group": run.fields.get("groupName"), "jobType": run.fields.get("jobType")},
                **{
                    "historyLineCount": len(run.history),
                    "sweepName": None,
                    "systemMetrics": None,
                    "user": {"username": ENTITY},
                },
            }
            for run in found
        ]
        edges = [{"node": node, "cursor": str(at)} for at, node in enumerate(nodes)]
        page = {"endCursor": None, "hasNextPage": False}
        return {"project": {"internalId": "p", "runCount": len(edges), "runs": {"edges": edges, "pageInfo": page}}}

    def on_OrganizationCoreWeaveOrganizationID(self, values: dict[str, Any]) -> Any:
        return {"entity": None}

    def on_RunResumeStatus(self, values: dict[str, Any]) -> Any:
        run = self.server.runs.get(values["name"])
        bucket = (
            run
            and {
                **{"id": run.name, "name": run.name, "displayName": run.name, "tags": [], "notes": ""},
                "wandbConfig": '{"t": 1}',  # without it the client takes the run for one that never began
                **{"summaryMetrics": json.dumps(run.summary), "config": json.dumps(run.config)},
                **{"logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": 0, "eventsTail": "[]"},
                "historyTail": json.dumps([json.dumps(line) for line in run.history[-1:]]),
            }
        )
        name = values.get("entity") or ENTITY
        entity = {"id": name, "name": name}
        return {"model": {"id": "m", "name": values["project"], "entity": entity, "bucket": bucket}}

    def on_UpsertBucket(self, values: dict[str, Any]) -> Any:
        id_, new = values["name"], values["name"] not in self.server.runs
        run = self.server.runs.setdefault(id_, ServerRun(id_, values["project"]))
        run.begun += new
        run.state = "running"
        run.fields |= {name: value for name, value in values.items() if value is not None}
        run.config |= json.loads(values.get("config") or "{}")
        name = values.get("entity") or ENTITY
        project = {"id": "p", "name": run.project, "entity": {"id": name, "name": name}}
        bucket = {
            **{"id": id_, "name": id_, "displayName": run.fields.get("displayName"), "description": None},
            **{"config": json.dumps(run.config), "sweepName": None, "project": project},
            "historyLineCount": len(run.history),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": new}}

    def on_ProjectInternalId(self, values: dict[str, Any]) -> Any:
        return {"project": {"id": "p", "internalId": "p"}}

    def on_CreateProject(self, values: dict[str, Any]) -> Any:
        return {"result": {"project": None, "model": None, "inserted": True}}

    def on_GetProjects(self, values: dict[str, Any]) -> Any:
        names = sorted({run.project for run in self.server.runs.values()})
        node = {"id": "p", "entityName": ENTITY, "createdAt": "2026-01-01T00:00:00Z", "isBenchmark": False}
        edges = [{"node": {**node, "name": name}, "cursor": name} for name in names]
        return {"models": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}

    def on_UpsertView2(self, values: dict[str, Any]) -> Any:
        return self.on_upsertView(values)

    def on_upsertView(self, values: dict[str, Any]) -> Any:
        id_ = values.get("id") or base64.b64encode(f"View{len(self.server.views):05d}".encode()).decode()
        self.server.views.setdefault(id_, {}).update({name: value for name, value in values.items() if value})
        view = {**self.server.views[id_], "id": id_}
        return {"upsertView": {"view": view, "inserted": True}}

    def on_View(self, values: dict[str, Any]) -> Any:
        found = [{**view, "id": id_} for id_, view in self.server.views.items() if view["name"] == values["viewName"]]
        return {"project": {"allViews": {"edges": [{"node": view} for view in found]}}}

    def on_SpecificReport(self, values: dict[str, Any]) -> Any:
        found = self.server.views.get(values["reportId"])
        if found is None:
            return {"view": None}
        project = {"id": "p", "name": found["projectName"], "entityName": found["entityName"]}
        return {"view": {**found, "id": values["reportId"], "project": project}}

    def on_ArtifactType(self, values: dict[str, Any]) -> Any:
        return {"project": {"artifact": None}}

    def on_ServerFeaturesQuery(self, values: dict[str, Any]) -> Any:
        return {"serverInfo": {"features": []}}

    def on_CreateArtifact(self, values: dict[str, Any]) -> Any:
        asked = values["input"]
        name = asked["artifactCollectionNames"] or asked["artifactCollectionName"]
        self.server.artifacts.append(str(name))
        # one that is there: its files need not be sent
        artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": {"id": "a"}}}
        return {"createArtifact": {"artifact": artifact}}

    def on_UseArtifact(self, values: dict[str, Any]) -> Any:
        return {"useArtifact": {"artifact": {"id": "a"}}}

    def on_CreateRunFiles(self, values: dict[str, Any]) -> Any:
        files = [{"name": name, "uploadUrl": f"{self.server.url}/put/{name}"} for name in values["files"]]
        return {"createRunFiles": {"runID": values["run"], "uploadHeaders": [], "files": files}}

    def _body(self) -> bytes:
        import gzip

        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def _answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: dict[str, Any]) -> None:
        run = self.server.runs[self.path.split("/")[-2]]
        with self.server.lock:
            self.server.calls.append("file_stream")
            if self.server.held.is_set() and not self.server.go.is_set():
                return  # of a client that is about to be killed
            for name, part in (body.get("files") or {}).items():
                lines = [json.loads(line) for line in part["content"] if line.strip()]
                if name == "wandb-history.jsonl":
                    at = part["offset"]
                    run.history[at : at + len(lines)] = lines
                elif name == "wandb-summary.json":
                    run.summary = lines[-1]
            if body.get("complete"):
                run.state = "finished" if body.get("exitcode") == 0 else "failed"
            at = list(self.server.runs).index(run.name) + 1
            holds = run.history and at == self.server.hold_after
            if holds:
                run.history, run.state, run.summary = run.history[:3], "running", {}
        if holds:
            self.server.held.set()
            self.server.go.wait()
        self._answer({"limits": {}})


@contextmanager
def wandb_server() -> Iterator[Server]:
    """A server while the block runs."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
