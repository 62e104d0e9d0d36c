"""An installation's values as the defaults of what a run may be told."""

from copy import copy
from typing import Any, TypeVar

import dagster as dg
from pydantic import create_model

Resource = TypeVar("Resource", bound=dg.ConfigurableResource[Any] | dg.ConfigurableIOManager)


def as_defaults(resource: Resource) -> Resource:
    """A resource with the same values, each of which is its field's own default.

    Dagster takes the values of a resource for one default: whoever gives one of them in the launchpad would get the
    class's defaults for the others, and not the installation's.

    Args:
        resource: the resource, as the installation's settings have it.
    """
    of = type(resource)
    given = {name: getattr(resource, name) for name in of.model_fields}
    fields: dict[str, Any] = {}
    for name, field in of.model_fields.items():
        if not isinstance(given[name], dg.ConfigurableResource):  # what it depends on has fields of its own
            with_default = copy(field)
            with_default.default = given[name]
            fields[name] = (field.annotation, with_default)
    return create_model(of.__name__, __base__=of, __doc__=of.__doc__, **fields)(**given)
