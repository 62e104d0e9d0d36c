"""The automation conditions: when the graph follows the files."""

from functools import reduce
from operator import or_

import dagster as dg

_FILES = ["raw_tracks", "raw_user_events", "cleaned_events", "rejected_events"]
"""The assets that are partitioned by file."""

# Not `any_deps_in_progress`: a catalogue that landed together with events would be combined before them, and again
# after them.
_SOME_FILE_IS_UNDER_WAY = reduce(
    or_, (dg.AutomationCondition.asset_matches(key, dg.AutomationCondition.in_progress()) for key in _FILES)
).with_label("some_file_is_under_way")
# eager() would also ask for an asset that has no file to combine yet, only because it is missing.
_SOME_FILE_IS_IN = dg.AutomationCondition.any_deps_match(~dg.AutomationCondition.missing()).with_label(
    "some_file_is_in"
)

_WAITED_LONG = dg.AutomationCondition.cron_tick_passed("*/2 * * * *").with_label("waited_long")

COMBINES_FILES = (
    dg.AutomationCondition.eager()
    .without(~dg.AutomationCondition.any_deps_missing())
    # It would hold up also what has waited long.
    .without(~dg.AutomationCondition.any_deps_in_progress())
    & _SOME_FILE_IS_IN
    & (~_SOME_FILE_IS_UNDER_WAY | _WAITED_LONG)
).with_label("combines_files")
"""For what is computed from all files at once: after any of them came in, as soon as none is queued or being taken in.

Where files land faster than they are taken in, there is always one: the graph has its turn all the same every two
minutes, of what has come in until then.

A file that was refused or never came in does not hold it up: the verdict on each file is kept in the lake.
"""

FOLLOWS_GATES = (
    (dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed())
    .ignore(dg.AssetSelection.assets(*_FILES))
    .with_label("follows_gates")
)
"""For the graph: after what it is made from changed, if every blocking check of that passed.

The checks of single files play no part, because only the newest result of each check counts here, whichever file it
was for.
"""

FIRST_TIME = (FOLLOWS_GATES & dg.AutomationCondition.missing()).with_label("first_time")
"""For what is computed in batch, at night: as soon as it can be, where it was never computed."""
