"""Export and import of definitions."""

import json
import tempfile

from harness import check, equal


def furnished(t):
    """A virtual host with one of everything."""
    vhost = t.vhost()
    t.ok("queues", "declare", "--name", "q", "--arguments", '{"x-max-length": 5}', vhost=vhost)
    t.ok("exchanges", "declare", "--name", "x", "--type", "topic", vhost=vhost)
    t.ok("bindings", "declare", "--source", "x", "--destination-type", "queue",
         "--destination", "q", "--routing-key", "a.*", vhost=vhost)
    t.ok("policies", "declare", "--name", "p", "--pattern", "^q", "--apply-to", "queues",
         "--definition", '{"max-length": 7}', vhost=vhost)
    return vhost


def imported(t, group, command, definitions, **options):
    """Imports these definitions from a file."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(definitions, file)
        file.flush()
        t.ok(group, command, "--file", file.name, **options)


def there(t, vhost):
    """What there is in a virtual host of what `furnished` puts there."""
    queues = [row["name"] for row in t.rows("queues", "list", vhost=vhost)]
    exchanges = [row["name"] for row in t.rows("exchanges", "list", vhost=vhost)
                 if row["name"] == "x"]
    keys = [row["routing_key"] for row in t.rows("bindings", "list")
            if row["vhost"] == vhost and row["source"] == "x"]
    policies = [row["name"] for row in t.rows("policies", "list_in", vhost=vhost)]
    return queues, exchanges, keys, policies


@check
def export_of_a_vhost(t):
    vhost = furnished(t)
    definitions = json.loads(t.ok("definitions", "export_from_vhost", "--stdout", vhost=vhost))
    equal([(each["name"], each["durable"], each["arguments"]["x-max-length"])
           for each in definitions["queues"]], [("q", True, 5)])
    equal([(each["name"], each["type"]) for each in definitions["exchanges"]], [("x", "topic")])
    equal([(each["source"], each["destination"], each["destination_type"], each["routing_key"])
           for each in definitions["bindings"]], [("x", "q", "queue", "a.*")])
    equal([(each["name"], each["pattern"], each["apply-to"], each["definition"])
           for each in definitions["policies"]], [("p", "^q", "queues", {"max-length": 7})])


@check
def export_of_everything(t):
    vhost = furnished(t)
    user = t.user("management,mine", vhosts=[vhost])
    for command in (("definitions", "export"), ("export", "definitions")):
        definitions = json.loads(t.ok(*command, "--stdout"))
        users = {each["name"]: each for each in definitions["users"]}
        equal(sorted(users[user]["tags"]), ["management", "mine"])
        equal(users[user]["hashing_algorithm"], "rabbit_password_hashing_sha256")
        equal(len(users[user]["password_hash"]), 48)
        assert vhost in [each["name"] for each in definitions["vhosts"]]
        permission = {"user": user, "vhost": vhost, "configure": ".*", "write": ".*",
                      "read": ".*"}
        assert permission in definitions["permissions"], definitions["permissions"]
        equal([each["name"] for each in definitions["queues"] if each["vhost"] == vhost], ["q"])


@check
def export_to_a_file(t):
    vhost = furnished(t)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/definitions.json"
        t.ok("definitions", "export", "--file", path)
        with open(path, encoding="utf-8") as file:
            definitions = json.load(file)
    assert vhost in [each["name"] for each in definitions["vhosts"]]


@check
def export_with_transformations(t):
    vhost = furnished(t)
    t.user(vhosts=[vhost])
    plain = json.loads(t.ok("definitions", "export", "--stdout"))
    for names in ("no_op", "prepare_for_quorum_queue_migration", "strip_cmq_keys_from_policies",
                  "drop_empty_policies", "obfuscate_usernames"):
        changed = json.loads(t.ok("definitions", "export", "--stdout", "-t", names))
        equal(len(changed["queues"]), len(plain["queues"]), names)
        equal(len(changed["users"]), len(plain["users"]), names)
    excluded = json.loads(t.ok("definitions", "export", "--stdout", "-t", "exclude_users",
                               "exclude_permissions"))
    equal((excluded.get("users", []), excluded.get("permissions", [])), ([], []))
    one = json.loads(t.ok("definitions", "export_from_vhost", "--stdout", "-t", "no_op",
                          vhost=vhost))
    equal([each["name"] for each in one["queues"]], ["q"])


@check
def import_into_a_vhost(t):
    definitions = json.loads(t.ok("definitions", "export_from_vhost", "--stdout",
                                  vhost=furnished(t)))
    for what in ("exchanges", "queues", "bindings", "policies", "parameters"):
        for each in definitions.get(what, []):
            each.pop("vhost", None)
    other = t.vhost()
    imported(t, "definitions", "import_into_vhost", definitions, vhost=other)
    equal(there(t, other), (["q"], ["x"], ["a.*"], ["p"]))
    imported(t, "definitions", "import_into_vhost", definitions, vhost=other)
    equal(there(t, other), (["q"], ["x"], ["a.*"], ["p"]))


@check
def import_of_everything(t):
    vhost = furnished(t)
    user = t.user("management", vhosts=[vhost])
    whole = json.loads(t.ok("definitions", "export", "--stdout"))
    # Only what is ours: nothing else on this broker is to be touched.
    mine = {key: [each for each in whole[key] if each.get("vhost") == vhost]
            for key in ("queues", "exchanges", "bindings", "policies", "permissions")}
    mine["vhosts"] = [each for each in whole["vhosts"] if each["name"] == vhost]
    mine["users"] = [each for each in whole["users"] if each["name"] == user]
    mine["rabbit_version"] = whole["rabbit_version"]
    t.ok("vhosts", "delete", "--name", vhost)
    t.ok("users", "delete", "--name", user)
    imported(t, "definitions", "import", mine)
    full = ["--username", "guest", "--configure", ".*", "--write", ".*", "--read", ".*"]
    t.ok("permissions", "declare", *full, vhost=vhost)
    equal(there(t, vhost), (["q"], ["x"], ["a.*"], ["p"]))
    t.ok("queues", "list", vhost=vhost, user=user, password="secret")


@check
def import_from_standard_input(t):
    user = t.name("user")
    t.delete_later("users", user)
    hashed = t.values("passwords", "salt_and_hash", "piped")["password hash"]
    definitions = {"users": [{"name": user, "password_hash": hashed, "tags": ["management"],
                              "hashing_algorithm": "rabbit_password_hashing_sha256"}]}
    t.ok("definitions", "import", "--stdin", stdin=json.dumps(definitions))
    t.ok("show", "overview", user=user, password="piped")


@check
def import_of_something_bad_is_refused(t):
    vhost = t.vhost()
    bad = {"queues": [{"name": "q", "vhost": vhost, "durable": True, "auto_delete": False,
                       "arguments": {"x-max-length": "many"}}]}
    t.refused("", "definitions", "import", "--stdin", stdin=json.dumps(bad))
    equal(t.rows("queues", "list", vhost=vhost), [])
