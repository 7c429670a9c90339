"""Users, their limits and permissions."""

from harness import check, equal


def full(t, user, vhost):
    t.ok("permissions", "declare", "--username", user, "--configure", ".*", "--write", ".*",
         "--read", ".*", vhost=vhost)


@check
def user_declare_list_delete(t):
    name = t.name("user")
    t.delete_later("users", name)
    t.ok("users", "declare", "--name", name, "--password", "one", "--tags", "management,mine")
    row = t.row("name", name, "users", "list")
    equal(sorted(row["tags"].replace("\n", ",").replace(" ", "").split(",")),
          ["management", "mine"])
    equal(len(row["password_hash"]), 48)
    t.ok("show", "overview", user=name, password="one")
    t.ok("declare", "user", "--name", name, "--password", "two", "--tags", "management")
    t.refused("Login failed", "show", "overview", user=name, password="one")
    t.ok("show", "overview", user=name, password="two")
    t.ok("users", "delete", "--name", name)
    t.refused("404 Not Found", "users", "delete", "--name", name)
    t.ok("delete", "user", "--name", name, "--idempotently")
    t.refused("Login failed", "show", "overview", user=name, password="two")


@check
def users_are_listed_by_pages(t):
    t.since((4, 0), "pages of users")
    names = {t.user() for _ in range(3)}
    seen = set()
    page = 1
    while not names <= seen:
        rows = t.rows("users", "list", "--page", str(page), "--page-size", "2")
        assert 0 < len(rows) <= 2, rows
        seen |= {row["name"] for row in rows}
        page += 1


@check
def user_without_a_management_tag_is_refused(t):
    t.refused("Not management user", "show", "overview", user=t.user(), password="secret")


@check
def monitoring_user_may_look_and_not_touch(t):
    vhost = t.vhost()
    name = t.user("monitoring", vhosts=[vhost])
    t.ok("permissions", "declare", "--username", name, "--configure", "", "--write", "",
         "--read", "", vhost=vhost)
    t.ok("list", "queues", vhost=vhost, user=name, password="secret")
    t.ok("show", "overview", user=name, password="secret")
    t.refused("Not administrator user", "list", "users", user=name, password="secret")
    t.refused("refused", "queues", "declare", "--name", "q", vhost=vhost,
              user=name, password="secret")
    equal(t.rows("queues", "list", vhost=vhost), [])


@check
def management_user_sees_only_vhosts_with_permissions(t):
    mine, other = t.vhost(), t.vhost()
    name = t.user("management", vhosts=[mine])
    t.declare_queue(other)
    queue = t.declare_queue(mine)
    credentials = {"user": name, "password": "secret"}
    equal([row["name"] for row in t.rows("list", "vhosts", **credentials)], [mine])
    equal([row["name"] for row in t.rows("list", "queues", vhost=mine, **credentials)], [queue])
    t.refused("User not authorised to access virtual host", "list", "queues", vhost=other, **credentials)


@check
def permissions_declare_list_delete(t):
    vhost, user = t.vhost(), t.user()
    t.ok("permissions", "declare", "--username", user, "--configure", "^a", "--write", "^b|c$",
         "--read", ".*", vhost=vhost)
    answer = t.api.get(f"/api/permissions/{vhost}/{user}")
    equal((answer["configure"], answer["write"], answer["read"]), ("^a", "^b|c$", ".*"))
    t.ok("declare", "permissions", "--username", user, "--configure", "", "--write", "w",
         "--read", "r", vhost=vhost)
    for listing in (("permissions", "list"), ("list", "permissions"), ("users", "permissions")):
        row = t.row("user", user, *listing, vhost=vhost)
        equal((row["vhost"], row["configure"], row["write"], row["read"]), (vhost, "", "w", "r"))
    t.ok("permissions", "delete", "--username", user, vhost=vhost)
    t.refused("404 Not Found", "permissions", "delete", "--username", user, vhost=vhost)
    t.ok("delete", "permissions", "--username", user, "--idempotently", vhost=vhost)


@check
def permission_with_a_bad_pattern_is_refused(t):
    vhost, user = t.vhost(), t.user()
    t.refused("", "permissions", "declare", "--username", user, "--configure", "(",
              "--write", "", "--read", "", vhost=vhost)
    t.api.expect(404, "GET", f"/api/permissions/{vhost}/{user}")


@check
def permission_of_an_unknown_user_is_refused(t):
    t.refused("vhost_or_user_not_found", "permissions", "declare", "--username", t.name("nobody"), "--configure", "",
              "--write", "", "--read", "", vhost=t.vhost())


@check
def permissions_hold_for_the_management_api(t):
    vhost = t.vhost()
    name = t.user("management")
    t.ok("permissions", "declare", "--username", name, "--configure", "^mine", "--write", "^$",
         "--read", "^$", vhost=vhost)
    credentials = {"vhost": vhost, "user": name, "password": "secret"}
    t.ok("queues", "declare", "--name", "mine.q", **credentials)
    t.refused("refused", "queues", "declare", "--name", "yours.q", **credentials)
    t.refused("refused", "queues", "purge", "--name", "mine.q", **credentials)
    equal([row["name"] for row in t.rows("queues", "list", vhost=vhost)], ["mine.q"])


@check
def user_limits(t):
    user = t.user()
    t.ok("user_limits", "declare", "--username", user, "--name", "max-channels", "--value", "3")
    t.ok("declare", "user_limit", "--username", user, "--name", "max-connections", "--value", "2")
    for listing in (("user_limits", "list"), ("list", "user_limits"), ("users", "limits")):
        limits = t.row("username", user, *listing, "--username", user)["limits"]
        equal(sorted(limits.split("\n")), ["max-channels: 3", "max-connections: 2"])
    t.ok("user_limits", "delete", "--username", user, "--name", "max-channels")
    equal(t.row("username", user, "user_limits", "list")["limits"], "max-connections: 2")
    t.ok("delete", "user_limit", "--username", user, "--name", "max-connections")
    assert user not in t.ok("user_limits", "list")
