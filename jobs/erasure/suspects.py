"""Models that a map does not know, and that may have rows of its persons all the same."""

import re
from collections.abc import Iterator
from fnmatch import translate

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
    by = {model: follow(model, root.by) for model, root in plan.roots.items()}
    names = {*plan.subject.suspects, *(column.name for column in by.values())}
    is_suspect = re.compile("|".join(map(translate, sorted(names)))).match
    kinds = set(map(kind_of, by.values()))
    about_kept = {
        each.related_model._meta.concrete_model: model._meta.label
        for model, node in plan.nodes.items()
        if node.what is What.KEPT
        for each in model._meta.private_fields
        if hasattr(each, "bulk_related_objects")
    }
    for model in next(iter(plan.roots))._meta.apps.get_models():
        if model in known or model._meta.proxy or model._meta.app_label == OUR_APP:
            continue
        fields = [each for each in model._meta.local_fields if not each.primary_key and kind_of(each) in kinds]
        column = next((each for each in fields if is_suspect(each.name) or is_suspect(each.attname)), None)
        generic = next((each for each in model._meta.private_fields if hasattr(each, "ct_field")), None)
        if column is not None:
            yield _suspect(plan, model, f"its column {column.attname} may hold the reference of a person", column.name)
        elif model in about_kept:
            why = f"its rows refer by a generic key to those of {about_kept[model]}, which are kept"
            yield _suspect(plan, model, why)
        elif generic is not None:
            yield _suspect(plan, model, f"its generic key {generic.name} may refer to rows of a person")
        elif model in owned:
            yield _suspect(plan, model, f"{owned[model]} refers to it one-to-one, so its row would be left behind")


def _suspect(plan: Plan, model: Model, why: str, by: str = "…") -> tuple[str, str]:
    label = model._meta.label
    text = f"The erase map {plan.subject.name!r} of {plan.subject.module} does not know {label}: {why}."
    return text, f'Add to it: erase("{label}", by="{by}"), – or keep("{label}", because="…"),'
