"""Models that a map does not know, and that may have rows of its persons all the same."""

from collections.abc import Iterator

from django.db.models import OneToOneField

from .columns import kind_of
from .declaration import What
from .graph import OUR_APP, Model
from .plan import Plan, follow


def suspects_of(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what to say of each suspect, and the cure: for a column like the root's, a generic key, a row left behind.

    What the map reaches or keeps is no suspect.
    """
    if not plan.roots:
        return  # of a map without a root nothing is known
    known = plan.nodes.keys() | plan.unreached
    # A row of a model that a person's row refers to one-to-one would be left behind.
    owned = {
        each.related_model._meta.concrete_model: f"{model._meta.label}.{each.name}"
        for model, node in plan.nodes.items()
        if node.what is What.ERASED
        for each in model._meta.local_fields
        if isinstance(each, OneToOneField) and not each.remote_field.parent_link
    }
    names = plan.subject.suspects | {root.by.rpartition("__")[2] for root in plan.roots.values()}
    kinds = {kind_of(follow(model, root.by)) for model, root in plan.roots.items()}
    for model in next(iter(plan.roots))._meta.apps.get_models():
        if model in known or model._meta.proxy or model._meta.app_label == OUR_APP:
            continue
        columns = [each for each in model._meta.local_fields if {each.name, each.attname} & names]
        column = next((each for each in columns if kind_of(each) in kinds), None)
        generic = next((each for each in model._meta.private_fields if hasattr(each, "ct_field")), None)
        if column is not None:
            yield _suspect(plan, model, f"its column {column.attname} may hold the reference of a person")
        elif generic is not None:
            yield _suspect(plan, model, f"its generic key {generic.name} may refer to rows of a person")
        elif model in owned:
            yield _suspect(plan, model, f"{owned[model]} refers to it one-to-one, so its row would be left behind")


def _suspect(plan: Plan, model: Model, why: str) -> tuple[str, str]:
    text = f"The erase map {plan.subject.name!r} of {plan.subject.module} does not know {model._meta.label}: {why}."
    cure = f'Add to it erase({model.__name__}, by="…"), or keep({model.__name__}, because="…").'
    return text, cure
