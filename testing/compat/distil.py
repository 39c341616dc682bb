#!/usr/bin/env python3
"""Distils what was observed of the reference server into the contract files beside this script.

usage: distil.py recordings FOLDER       FOLDER/<flow>.json -> contracts/http.json, contracts/events.json,
                                         contracts/flows/<flow>.json
       distil.py operations OPENAPI.json its list of operations -> operations.json

Run by hand, when there are new recordings; the results are kept in the tree and everything else reads those. What is
kept are names, types, order and the few words that clients compare (kinds, roles). No text and no value of the
reference is kept. README.md says how to read the results.
"""
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE / "contracts"

# Fields whose texts are words that clients compare, and what such a word looks like.
WORDS = {"type", "role", "object", "permission", "principal_type", "resource_type", "token_type", "finish_reason", "kind"}
WORD = re.compile(r"^[A-Za-z][A-Za-z0-9_.:-]{1,40}$")
# Words that stand for each other: where one was seen, any of them may come.
DOMAINS = [{"admin", "user", "pending"}, {"assistant", "user", "system"}, {"read", "write"}]
# Keys that are data, so that the object is a map.
KEYS_OF_MAPS = re.compile(r"^([0-9a-f]{8}-[0-9a-f-]{27}|\d+(\.\d+)*|mock-[a-z]+)$")
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f-]{27}$")
LEFT_OUT = re.compile(r"^<\+\d+ items>$")
SCALARS = ["string", "integer", "number", "boolean", "null"]
# Smallest object that is worth a name of its own when it occurs twice.
NAMED_FROM = 5
# Names of shapes, by fields that only they have; other shapes are called after the field they are found in.
NAMES = {
    "ModelRecord": {"base_model_id"}, "Model": {"urlIdx"}, "Grant": {"principal_type"}, "ChatItem": {"last_read_at", "active"},
    "Chat": {"chat", "share_id"}, "ChatBody": {"history", "models"}, "Message": {"parentId", "childrenIds"},
    "ChannelMessage": {"reply_count"}, "Channel": {"archived_by"}, "Folder": {"is_expanded", "items"},
    "FolderItem": {"is_expanded", "unread_count"}, "User": {"last_active_at"}, "Session": {"token", "permissions"},
    "AdminConfig": {"SHOW_ADMIN_DETAILS"}, "Knowledge": {"file_count"}, "File": {"filename", "hash"},
    "ChatPermissions": {"multiple_models"}, "Connections": {"OPENAI_API_CONFIGS"}, "Note": {"is_pinned", "title"}, "Item": {"output_index"},
}


class Shape:
    """Everything that was seen in one place, merged."""

    def __init__(self):
        self.scalars, self.words = set(), set()
        self.objects, self.fields, self.map, self.items, self.lists = 0, {}, None, None, False

    def see(self, value, name=""):
        if value is None:
            self.scalars.add("null")
        elif isinstance(value, bool):
            self.scalars.add("boolean")
        elif isinstance(value, (int, float)):
            self.scalars.add("integer" if isinstance(value, int) else "number")
        elif isinstance(value, str):
            if name in WORDS and WORD.match(value):
                self.words.add(value)
            else:
                self.scalars.add("string")
        elif isinstance(value, list):
            self.lists = True
            for item in value:
                if isinstance(item, str) and LEFT_OUT.match(item):
                    continue
                self.items = self.items or Shape()
                self.items.see(item, name)
        elif value and all(KEYS_OF_MAPS.match(key) for key in value):
            self.map = self.map or Shape()
            for item in value.values():
                self.map.see(item)
        else:
            self.objects += 1
            for key, item in value.items():
                count, shape = self.fields.setdefault(key, [0, Shape()])
                shape.see(item, key)
                self.fields[key][0] = count + 1
        return self

    def plain(self):
        """The notation of the contract files."""
        scalars = set(self.scalars)
        if "number" in scalars:
            scalars.discard("integer")
        known = set(self.words)
        for others in DOMAINS:
            if known and known <= others and known != {"user"}:
                known = others
        if known == {"user"}:
            # An account, or whose turn it is in a chat.
            known, scalars = set(), scalars | {"string"}
        words = [] if "string" in scalars else [f"'{word}'" for word in sorted(known)]
        if "string" not in scalars and len(words) > 12:
            words, scalars = [], scalars | {"string"}
        texts = words + [name for name in SCALARS if name in scalars]
        found = [" | ".join(texts)] if texts else []
        if self.lists:
            found.append([self.items.plain()] if self.items else [])
        if self.map:
            found.append({"*": self.map.plain()})
        elif self.objects:
            every = self.objects
            found.append({
                key if count == every else key + "?": shape.plain() for key, (count, shape) in self.fields.items()
            })
        if not found:
            return "any"
        return found[0] if len(found) == 1 else {"|": found}


def name_repeated(tree):
    """Gives objects that occur more than once a name; returns the tree with names, and the named shapes."""
    counts, names = Counter(), {}

    def is_candidate(node):
        return isinstance(node, dict) and "|" not in node and "*" not in node and len(node) >= NAMED_FROM

    def count(node, under):
        if isinstance(node, dict):
            if is_candidate(node):
                text = json.dumps(node)
                counts[text] += 1
                names.setdefault(text, under)
            for key, item in node.items():
                count(item, key.rstrip("?") if key not in "*|" else under)
        elif isinstance(node, list):
            for item in node:
                count(item, under)

    for key, item in tree.items():
        count(item, "")
    taken, named, shapes = Counter(), {}, {}

    def name_of(node, under):
        fields = {key.rstrip("?") for key in node}
        fitting = [name for name, wanted in NAMES.items() if wanted <= fields]
        return fitting[0] if fitting else "".join(part.capitalize() for part in re.split(r"\W+|_", under))

    def replace(node):
        if isinstance(node, dict):
            text = json.dumps(node) if is_candidate(node) else None
            plain = {key: replace(item) for key, item in node.items()}
            if text is None or counts[text] < 2:
                return plain
            if text not in named:
                stem = name_of(node, names[text])
                taken[stem] += 1
                named[text] = stem if taken[stem] == 1 else f"{stem}{taken[stem]}"
                shapes[named[text]] = plain
            return named[text]
        return [replace(item) for item in node] if isinstance(node, list) else node

    return {key: replace(item) for key, item in tree.items()}, dict(sorted(shapes.items()))


class Paths:
    """Finds the template of a path among the operations."""

    def __init__(self):
        self.templates = []
        for operations in json.loads((HERE / "operations.json").read_text()).values():
            for operation in operations:
                method, path = operation.split(" ", 1)
                self.templates.append((method, path, path.split("/")))

    def of(self, method, path):
        parts, best = path.split("/"), None
        for known, template, expected in self.templates:
            if known != method or len(expected) != len(parts):
                continue
            captures = 0
            for part, wanted in zip(parts, expected):
                if wanted.startswith("{") and part:
                    captures += 1
                elif part != wanted:
                    break
            else:
                if best is None or captures < best[0]:
                    best = (captures, template)
        return best[1] if best else None


def kind_of(envelope):
    """Short name of an event by what a client tells apart: type, and which form its data have."""
    body = envelope.get("data") if isinstance(envelope, dict) else None
    if not isinstance(body, dict) or "type" not in body:
        return ""
    data, kind = body.get("data"), body["type"]
    form = ""
    if isinstance(data, dict):
        if isinstance(data.get("type"), str) and "." in data["type"]:
            form = data["type"]
        elif "active" in data:
            form = str(data["active"]).lower()
        else:
            order = ["done", "choices", "sources", "usage", "last_read_at"]
            form = next((key for key in order if key in data), "")
            if not form and kind in ("chat:completion", "chat:tasks:cancel"):
                form = "output" if "output" in data else ""
    shared = " shared" if envelope.get("shared") else ""
    return kind + (f"({form})" if form else "") + shared


class Recording:
    """One flow."""

    def __init__(self, path, paths, http, events):
        recording = json.loads(path.read_text())
        self.flow, self.about = path.stem, recording["meta"]["about"]
        self.paths, self.http, self.events = paths, http, events
        self.calls, self.heard = [], {}
        self.exchanges = [e for e in recording["exchanges"] if e["type"] in ("http", "ws")]
        self.roles, self.signed_in = {}, {}
        self.elided = any(e["type"] == "note" for e in recording["exchanges"])

    def read(self):
        for exchange in self.exchanges:
            who = exchange["who"]
            if who not in self.signed_in:
                self.begin(who)
            if exchange["type"] == "http":
                self.see_call(who, exchange)
            elif exchange.get("packet") == "event":
                self.see_event(who, exchange)
        return self

    def begin(self, who):
        """Whether this browser began with a stored token, and the role of its first account."""
        for exchange in self.exchanges:
            if exchange["who"] != who or exchange["type"] != "http" or exchange.get("status") != 200:
                continue
            if exchange["path"] in ("/api/v1/auths/signin", "/api/v1/auths/signup"):
                self.signed_in[who], self.roles[who] = False, exchange["response"]["role"]
                return
            if exchange["path"] == "/api/v1/auths/":
                self.signed_in[who], self.roles[who] = True, exchange["response"]["role"]
                return
        self.signed_in[who], self.roles[who] = False, "user"

    def see_call(self, who, exchange):
        method, path, status = exchange["method"], exchange["path"], exchange.get("status")
        template = self.paths.of(method, path)
        if template is None or status is None:
            return
        answer = exchange.get("response")
        carries_token = self.signed_in[who] or "auth" in exchange and template != "/api/version"
        access = self.roles[who] if carries_token and status != 401 else "nobody"
        name = f"{method} {template}"
        if template == "/api/config" and status == 200:
            name += " (signed in)" if len(answer["features"]) > 12 else " (public)"
        entry = self.http.setdefault(name, {"access": set(), "query": set(), "request": None, "answers": {}})
        if status < 400 or status == 401:
            entry["access"].add(f"{access} refused" if status == 401 else access)
        for pair in exchange.get("query", "").lstrip("?").split("&"):
            if pair:
                entry["query"].add(pair.split("=")[0])
        if "request" in exchange:
            entry["request"] = (entry["request"] or Shape()).see(exchange["request"])
        shape = entry["answers"].setdefault(str(status), [Shape(), exchange.get("content_type")])
        if "response" in exchange:
            shape[0].see(answer)
        call = f"{who} {name} {status}"
        if call not in self.calls:
            self.calls.append(call)
        if template in ("/api/v1/auths/signin", "/api/v1/auths/signup") and status == 200:
            self.signed_in[who], self.roles[who] = True, answer["role"]
        if template == "/api/v1/auths/signout" and status == 200:
            self.signed_in[who] = False

    def see_event(self, who, exchange):
        argument = exchange["args"][0] if exchange["args"] else {}
        name = exchange["event"]
        kind = kind_of(argument)
        direction = "heard" if exchange["dir"] == "in" else "sent"
        label = f"{name} {kind}".rstrip()
        self.events[direction].setdefault(label, Shape()).see(argument)
        line = f"{who} {'<' if direction == 'heard' else '>'} {label}"
        if line not in self.calls:
            self.calls.append(line)
        if direction == "heard" and name == "events" and argument.get("message_id"):
            key = (who, argument["chat_id"])
            self.heard.setdefault(key, []).append((argument["message_id"], kind))

    def orders(self):
        """Order of the events of each whole turn as a browser heard them, equal neighbours taken together.

        What was told to the sockets of the user and what was told to those who have the chat open are two orders.
        """
        found = {}
        for audience, mark in (("own", ""), ("shared", " shared")):
            for told in self.heard.values():
                turns = [[]]
                for _, kind in told:
                    if kind.endswith(" shared") != bool(mark) or turns[-1][-1:] == [kind]:
                        continue
                    turns[-1].append(kind)
                    if kind == "chat:active(false)" + mark:
                        turns.append([])
                for turn in turns[:-1]:
                    if turn not in found.setdefault(audience, []):
                        found[audience].append(turn)
        return found


def write(path, tree):
    """Pretty JSON in which small objects and lists stay on one line."""

    def render(node, indent):
        flat = json.dumps(node, ensure_ascii=False)
        if len(flat) + indent <= 116:
            return flat.replace("{\"", "{ \"", 1)[:-1] + " }" if isinstance(node, dict) and node else flat
        pad = " " * (indent + 2)
        if isinstance(node, dict):
            inner = ",\n".join(f"{pad}{json.dumps(key)}: {render(item, indent + 2)}" for key, item in node.items())
            return "{\n" + inner + "\n" + " " * indent + "}"
        if isinstance(node, list):
            return "[\n" + ",\n".join(pad + render(item, indent + 2) for item in node) + "\n" + " " * indent + "]"
        return flat

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(tree, 0) + "\n")


def distil_recordings(folder):
    paths, http, events = Paths(), {}, {"heard": {}, "sent": {}}
    for path in sorted(folder.glob("*.json")):
        recording = Recording(path, paths, http, events).read()
        orders = {} if recording.elided else recording.orders()
        turns = {"turns": orders} if orders else {}
        write(CONTRACTS / "flows" / path.name, {"about": recording.about, "steps": recording.calls, **turns})

    calls = {}
    for name, entry in sorted(http.items()):
        call = {"access": sorted(entry["access"])}
        if entry["query"]:
            call["query"] = sorted(entry["query"])
        if entry["request"]:
            call["request"] = entry["request"].plain()
        for status, (shape, content_type) in sorted(entry["answers"].items()):
            is_json = content_type == "application/json"
            call[status] = shape.plain() if is_json else f"<{content_type or 'nothing'}>"
        calls[name] = call
    calls, shapes = name_repeated(calls)
    write(CONTRACTS / "http.json", {"calls": calls, "shapes": shapes})
    plain = {way: {label: shape.plain() for label, shape in sorted(found.items())} for way, found in events.items()}
    plain, shapes = name_repeated(plain)
    write(CONTRACTS / "events.json", {**plain, "shapes": shapes})


def distil_operations(document):
    tags = {}
    for path, methods in json.loads(document.read_text())["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["general"])[0]
            tags.setdefault(tag, []).append(f"{method.upper()} {path}")
    write(HERE / "operations.json", {tag: sorted(tags[tag], key=lambda o: o.split(" ")[::-1]) for tag in sorted(tags)})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["recordings", folder]:
            distil_recordings(Path(folder))
        case ["operations", document]:
            distil_operations(Path(document))
        case _:
            sys.exit(__doc__)
