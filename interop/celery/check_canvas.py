"""Tasks made of tasks: chains, groups, chunks, and chords over a backend that can join them."""

from celery import chain, chord, group

from harness import WAIT_SECONDS, check, equal


@check
def chain_hands_each_result_on(t):
    add = t.task("add")
    result = chain(add.s(1, 2), add.s(3), add.s(4)).delay()
    equal((result.get(WAIT_SECONDS), result.parent.get(WAIT_SECONDS)), (10, 6))


@check
def chain_ends_at_its_first_error(t):
    app = t.app()
    add, fail = app.tasks["add"], app.tasks["fail"]
    failing = chain(add.s("a", "b"), fail.s(), add.s("c")).delay().parent
    equal(repr(failing.get(WAIT_SECONDS, propagate=False)), "ValueError('ab')")


@check
def group_gathers_results_in_order(t):
    add = t.task("add")
    result = group(add.s(number, number) for number in range(50)).delay()
    equal(result.get(WAIT_SECONDS), [2 * number for number in range(50)])


@check
def group_of_chains(t):
    add = t.task("add")
    result = group(chain(add.s(1, 1), add.s(number)) for number in range(5)).delay()
    equal(result.get(WAIT_SECONDS), [2, 3, 4, 5, 6])


@check
def chunks_split_a_list_of_calls(t):
    add = t.task("add")
    result = add.chunks([(number, 1) for number in range(10)], 4).group().delay()
    equal(result.get(WAIT_SECONDS), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]])


@check
def links_are_called_after_the_task(t):
    app, journal = t.app(), t.journal()
    linked = app.tasks["note"].si(journal.path, "linked")
    app.tasks["add"].apply_async((1, 1), link=linked)
    app.tasks["fail"].apply_async(("no",), link_error=app.tasks["note"].si(journal.path, "error"))
    equal(sorted(journal.lines(2)), ["error", "linked"])


@check
def chord_calls_back_with_all_results(t):
    app = t.app("files")
    add, total = app.tasks["add"], app.tasks["total"]
    result = chord((add.s(number, number) for number in range(10)), total.s()).delay()
    equal(result.get(WAIT_SECONDS), 90)


@check
def chain_goes_through_a_chord(t):
    app = t.app("files")
    add, total = app.tasks["add"], app.tasks["total"]
    result = chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s(), add.s(10)).delay()
    equal(result.get(WAIT_SECONDS), 17)
