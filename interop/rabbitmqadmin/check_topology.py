"""Queues, exchanges and bindings."""

import json

from harness import check, equal


@check
def queue_declare_show_delete(t):
    vhost = t.vhost()
    name = t.declare_queue(vhost, x_max_length=5)
    row = t.row("name", name, "queues", "show", "--name", name, vhost=vhost)
    equal((row["vhost"], row["queue_type"], row["durable"], row["auto_delete"], row["exclusive"]),
          (vhost, "classic", "true", "false", "false"))
    equal(sorted(row["arguments"].split("\n")), ['x-max-length: 5', 'x-queue-type: "classic"'])
    t.ok("queues", "delete", "--name", name, vhost=vhost)
    t.refused("404 Not Found", "queues", "show", "--name", name, vhost=vhost)
    t.refused("404 Not Found", "delete", "queue", "--name", name, vhost=vhost)
    t.ok("delete", "queue", "--name", name, "--idempotently", vhost=vhost)


@check
def quorum_queue(t):
    vhost = t.vhost()
    name = t.name("quorum")
    t.ok("declare", "queue", "--name", name, "--type", "quorum", vhost=vhost)
    row = t.row("name", name, "list", "queues", vhost=vhost)
    equal((row["queue_type"], row["leader"]), ("quorum", t.node()))
    equal(row["members"].strip(), t.node())
    row = t.row("name", name, "queues", "list", "--columns", "name,queue_type", vhost=vhost)
    equal(row, {"name": name, "queue_type": "quorum"})


@check
def transient_queue(t):
    vhost = t.vhost()
    name = t.name("transient")
    t.ok("queues", "declare", "--name", name, "--durable", "false", "--auto-delete", "true",
         vhost=vhost)
    row = t.row("name", name, "queues", "show", "--name", name, vhost=vhost)
    equal((row["durable"], row["auto_delete"]), ("false", "true"))


@check
def redeclaring_a_queue_differently_is_refused(t):
    vhost = t.vhost()
    name = t.declare_queue(vhost)
    t.ok("queues", "declare", "--name", name, vhost=vhost)
    t.refused(f"inequivalent arg 'durable' for queue '{name}' in vhost '{vhost}': "
              "received 'false' but current is 'true'",
              "queues", "declare", "--name", name, "--durable", "false", vhost=vhost)


@check
def queues_are_listed_by_pages(t):
    vhost = t.vhost()
    names = sorted(t.declare_queue(vhost) for _ in range(5))
    seen = []
    for page, count in ((1, 2), (2, 2), (3, 1)):
        rows = t.rows("queues", "list", "--page", str(page), "--page-size", "2", vhost=vhost)
        equal(len(rows), count)
        seen += [row["name"] for row in rows]
    equal(sorted(seen), names)
    t.refused("out of range", "queues", "list", "--page", "4", "--page-size", "2", vhost=vhost)


@check
def queues_delete_multiple(t):
    vhost = t.vhost()
    for name in ("a1", "a2", "b1"):
        t.ok("queues", "declare", "--name", name, vhost=vhost)
    seen = t.rows("queues", "delete_multiple", "--name-pattern", "^a", "--dry-run", vhost=vhost)
    equal(sorted(row["name"] for row in seen), ["a1", "a2"])
    said = t.ok("queues", "delete_multiple", "--name-pattern", "^a", "--approve",
                "--output", "json", vhost=vhost)
    report = json.loads(said[said.index("{"):])
    equal((report["attempted"], report["succeeded"], report["failed"]), (2, 2, 0))
    equal([row["name"] for row in t.rows("queues", "list", vhost=vhost)], ["b1"])


@check
def exchange_declare_list_delete(t):
    vhost = t.vhost()
    t.ok("exchanges", "declare", "--name", "x", "--type", "topic",
         "--arguments", '{"alternate-exchange": "amq.fanout"}', vhost=vhost)
    for listing in (("exchanges", "list"), ("list", "exchanges")):
        row = t.row("name", "x", *listing, vhost=vhost)
        equal((row["vhost"], row["exchange_type"], row["durable"], row["auto_delete"]),
              (vhost, "topic", "true", "false"))
        equal(row["arguments"], 'alternate-exchange: "amq.fanout"')
    t.refused("inequivalent arg 'type'", "declare", "exchange", "--name", "x", "--type", "fanout",
              vhost=vhost)
    t.ok("exchanges", "delete", "--name", "x", vhost=vhost)
    t.refused("404 Not Found", "exchanges", "delete", "--name", "x", vhost=vhost)
    t.ok("delete", "exchange", "--name", "x", "--idempotently", vhost=vhost)


@check
def predeclared_exchanges_are_listed(t):
    rows = t.rows("list", "exchanges", vhost=t.vhost())
    names = {row["name"]: row["exchange_type"] for row in rows}
    wanted = {"": "direct", "amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic",
              "amq.headers": "headers", "amq.match": "headers"}
    assert wanted.items() <= names.items(), names
    equal(len(t.rows("exchanges", "list", "--page", "1", "--page-size", "3")), 3)


@check
def exchange_of_unknown_type_is_refused(t):
    t.refused("unknown exchange type", "exchanges", "declare", "--name", "x", "--type", "x-strange",
              vhost=t.vhost())


@check
def binding_declare_list_delete(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    t.ok("exchanges", "declare", "--name", "x", "--type", "topic", vhost=vhost)
    ends = ["--source", "x", "--destination-type", "queue", "--destination", queue,
            "--routing-key"]
    t.ok("bindings", "declare", *ends, "a.#", vhost=vhost)
    t.ok("declare", "binding", *ends, "b", "--arguments", '{"k": 1}', vhost=vhost)
    bound = [row for row in t.rows("bindings", "list") if row["source"] == "x"
             and row["vhost"] == vhost]
    equal(sorted((row["destination"], row["destination_type"], row["routing_key"],
                  row["arguments"]) for row in bound),
          [(queue, "queue", "a.#", ""), (queue, "queue", "b", "k: 1")])
    t.ok("bindings", "delete", *ends, "b", "--arguments", '{"k": 1}', vhost=vhost)
    t.ok("delete", "binding", *ends, "a.#", "--arguments", "{}", vhost=vhost)
    equal([row for row in t.rows("list", "bindings") if row["source"] == "x"
           and row["vhost"] == vhost], [])


@check
def exchange_to_exchange_binding(t):
    vhost = t.vhost()
    for name in ("from", "to"):
        t.ok("exchanges", "declare", "--name", name, "--type", "fanout", vhost=vhost)
    ends = ["--source", "from", "--destination-type", "exchange", "--destination", "to",
            "--routing-key", ""]
    t.ok("exchanges", "bind", *ends, vhost=vhost)
    row = [row for row in t.rows("bindings", "list") if row["vhost"] == vhost]
    equal([(each["source"], each["destination"], each["destination_type"],
            each["properties_key"]) for each in row], [("from", "to", "exchange", "~")])
    t.ok("exchanges", "unbind", *ends, "--arguments", "{}", vhost=vhost)
    equal([row for row in t.rows("bindings", "list") if row["vhost"] == vhost], [])


@check
def binding_to_a_missing_queue_is_refused(t):
    t.refused("404", "bindings", "declare", "--source", "amq.topic", "--destination-type",
              "queue", "--destination", "missing", "--routing-key", "k", vhost=t.vhost())


@check
def strange_names_survive(t):
    vhost = t.vhost()
    for name in ("<script>alert(1)</script>", "a/b", "%2f", "%", "grün 兎", "a b+c", "x" * 255,
                 "?q=1&r=2#f", "'\"\\"):
        t.ok("queues", "declare", "--name", name, vhost=vhost)
        row = t.row("name", name, "queues", "show", "--name", name, vhost=vhost)
        equal(row["vhost"], vhost)
        t.ok("queues", "purge", "--name", name, vhost=vhost)
        t.ok("queues", "delete", "--name", name, vhost=vhost)
    equal(t.rows("queues", "list", vhost=vhost), [])
