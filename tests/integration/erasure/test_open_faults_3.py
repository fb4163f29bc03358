# ruff: noqa
import tests.integration.erasure.test_fault as _t
from tests.integration.erasure.test_fault import *
for _n in [n for n in dir(_t) if n.startswith("test_")]:
    if _n[5:7] not in ("02","03","04","05","08"): globals().pop(_n, None)
test_09 = _t.test_09_huge_numbers
from jobs.erasure.rows import PersonRows

@isolate_apps(APP)
def test_30_wrong_person_by_a_path_through_many():
    House = model("House", name=text())
    Member = model("Member", house=key(House, related_name="members"), project=to_project(), user_id=text())
    Visit = model("Visit", house=key(House))
    told = subject("user", erase(Visit, by="house__members__user_id", project="house__members__project"))
    mine, theirs = make_project(), make_project()
    with tables_of(House, Member, Visit):
        h = House.objects.create()
        Member.objects.create(house=h, project=mine, user_id=BEN)
        Member.objects.create(house=h, project=theirs, user_id=ANA)
        Visit.objects.create(house=h)
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        print("RR", plan_of(told).problems, ran.outcome, job.receipt)
        assert Visit.objects.count() == 1

@isolate_apps(APP, "jobsite")
def test_31_generic_proxy_cross_product():
    Note = model("Note", content_type=key(ContentType), object_id=models.BigIntegerField(), about=GenericForeignKey("content_type", "object_id", for_concrete_model=False))
    Visit = visit()
    Proxy = model("Order", Visit, options={"proxy": True, "app_label": "jobsite"}, tags=GenericRelation(Note, for_concrete_model=False))
    told = subject("user", erase(Visit, by="user_id"), erase(Note))
    mine = make_project()
    with tables_of(Note, Visit):
        v = Visit.objects.create(project=mine, user_id=ANA)
        other = ContentType.objects.create(app_label="hostapp", model="order")  # another model, hostapp.Order
        Note.objects.create(content_type=other, object_id=v.pk)
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        n = Note.objects.count()
        print("RR", plan_of(told).problems, ran.outcome, job.receipt, n)
        Note.objects.all().delete(); other.delete()
        ContentType.objects.clear_cache()
        assert n == 1
