"""Virtual hosts, their limits, parameters."""

import json

from harness import check, equal


@check
def vhost_declare_list_delete(t):
    name = t.name("vhost")
    t.delete_later("vhosts", name)
    t.ok("vhosts", "declare", "--name", name, "--description", "for a check")
    equal(t.row("name", name, "vhosts", "list")["description"], "for a check")
    equal(t.row("name", name, "list", "vhosts")["description"], "for a check")
    t.ok("declare", "vhost", "--name", name, "--description", "changed")
    equal(t.row("name", name, "vhosts", "list")["description"], "changed")
    t.ok("vhosts", "delete", "--name", name)
    t.refused("404 Not Found", "delete", "vhost", "--name", name)
    t.ok("delete", "vhost", "--name", name, "--idempotently")
    assert name not in t.ok("list", "vhosts")


@check
def vhost_default_queue_type(t):
    t.since((3, 11), "default queue types")
    name = t.name("vhost")
    t.delete_later("vhosts", name)
    t.ok("vhosts", "declare", "--name", name, "--default-queue-type", "quorum")
    equal(t.row("name", name, "vhosts", "list")["default_queue_type"], "quorum")
    t.api.expect(201, "PUT", f"/api/queues/{name}/q", {"durable": True})
    equal(t.row("name", "q", "queues", "show", "--name", "q", vhost=name)["queue_type"], "quorum")


@check
def vhost_deletion_protection(t):
    t.since((4, 0), "protection from deletion")
    name = t.vhost()
    t.later(lambda: t.ok("vhosts", "disable_deletion_protection", "--name", name))
    t.ok("vhosts", "enable_deletion_protection", "--name", name)
    equal(t.row("name", name, "vhosts", "list")["protected_from_deletion"], "true")
    t.refused("protected from deletion", "vhosts", "delete", "--name", name)
    t.ok("vhosts", "disable_deletion_protection", "--name", name)
    equal(t.row("name", name, "vhosts", "list")["protected_from_deletion"], "false")
    t.ok("vhosts", "delete", "--name", name)
    t.api.expect(201, "PUT", f"/api/vhosts/{name}", {})


@check
def vhosts_delete_multiple(t):
    names = [t.vhost(), t.vhost()]
    pattern = "^({})$".format("|".join(name.replace(".", r"\.") for name in names))
    seen = t.rows("vhosts", "delete_multiple", "--name-pattern", pattern, "--dry-run")
    equal(sorted(row["name"] for row in seen), sorted(names))
    t.ok("vhosts", "delete_multiple", "--name-pattern", pattern, "--approve")
    left = {row["name"] for row in t.rows("list", "vhosts")}
    assert not left & set(names), left


@check
def vhost_limits(t):
    vhost = t.vhost()
    t.ok("vhost_limits", "declare", "--name", "max-queues", "--value", "1", vhost=vhost)
    t.ok("declare", "vhost_limit", "--name", "max-connections", "--value", "7", vhost=vhost)
    limits = t.row("vhost", vhost, "vhost_limits", "list", vhost=vhost)["limits"]
    equal(sorted(limits.split("\n")), ["max-connections: 7", "max-queues: 1"])
    t.declare_queue(vhost)
    t.refused("queue limit", "queues", "declare", "--name", "more", vhost=vhost)
    t.ok("vhost_limits", "delete", "--name", "max-queues", vhost=vhost)
    equal(t.row("vhost", vhost, "list", "vhost_limits", vhost=vhost)["limits"], "max-connections: 7")
    t.declare_queue(vhost)
    t.ok("delete", "vhost_limit", "--name", "max-connections", vhost=vhost)


@check
def parameters(t):
    vhost = t.vhost()
    value = json.dumps({"max-queues": 3})
    t.ok("parameters", "set", "--component", "vhost-limits", "--name", "limits",
         "--value", value, vhost=vhost)
    for listing in (("parameters", "list_all"),
                    ("parameters", "list", "--component", "vhost-limits"),
                    ("parameters", "list_in", "--component", "vhost-limits")):
        row = t.row("vhost", vhost, *listing, vhost=vhost)
        equal((row["name"], row["component"], row["value"]),
              ("limits", "vhost-limits", "max-queues: 3"), " ".join(listing))
    t.ok("parameters", "clear", "--component", "vhost-limits", "--name", "limits", vhost=vhost)
    t.refused("404 Not Found", "parameters", "clear", "--component", "vhost-limits",
              "--name", "limits", vhost=vhost)
    t.ok("delete", "parameter", "--component", "vhost-limits", "--name", "limits",
         "--idempotently", vhost=vhost)


@check
def parameter_of_an_unknown_component(t):
    t.refused("component nonsense not found", "parameters", "set", "--component", "nonsense",
              "--name", "n", "--value", "{}", vhost=t.vhost())


@check
def global_parameters(t):
    name = t.name("global")
    t.delete_later("global-parameters", name)
    t.ok("global_parameters", "set", "--name", name, "--value", '{"a":1}')
    equal(t.row("name", name, "global_parameters", "list")["value"], '{"a":1}')
    t.ok("global_parameters", "set", "--name", name, "--value", '{"a":2}')
    equal(t.row("name", name, "global_parameters", "list")["value"], '{"a":2}')
    t.ok("global_parameters", "clear", "--name", name)
    t.refused("404 Not Found", "global_parameters", "clear", "--name", name)
