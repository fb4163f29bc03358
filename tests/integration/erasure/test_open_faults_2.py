# ruff: noqa
from tests.integration.erasure.test_fault import *
import tests.integration.erasure.test_fault as _t
for _n in [n for n in dir(_t) if n.startswith("test_")]:
    globals().pop(_n, None)
from jobs.services.reports.erase_preview import preview_erase
from jobs.erasure.rows import PersonRows
import time

APPB = "tests.support.otherapp"

@isolate_apps(APP)
def test_20_multivalued_alive_without_cascade():
    Person = model("Person", name=text())
    Group = model("Group", project=to_project(), people=models.ManyToManyField(Person, related_name="groups"), code=text())
    told = subject("user", erase(Person, by="groups__code", project="groups__project"))
    mine, theirs = make_project(), make_project()
    with tables_of(Person, Group):
        p = Person.objects.create(name="x")
        Group.objects.create(project=mine, code=BEN).people.add(p)
        Group.objects.create(project=theirs, code=ANA).people.add(p)
        rows = PersonRows(plan=plan_of(told), project=mine, reference=ANA)
        print("RR", plan_of(told).problems, [s.name for s in plan_of(told).stores], rows.of(Person.objects.model).count())
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        print("RR", ran.outcome, job.receipt, Person.objects.count())
        assert Person.objects.count() == 1

@isolate_apps(APP)
def test_21_generic_proxy_cross_product():
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
        print("RR", plan_of(told).problems)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        n = Note.objects.count()
        print("RR", ran.outcome, job.receipt, n)
        Note.objects.all().delete(); other.delete()
        ContentType.objects.clear_cache()
        assert n == 1

@isolate_apps(APP)
def test_22_new_row_of_an_anonymised_parent_meanwhile():
    Visit = visit()
    Click = model("Click", visit=key(Visit))
    mine = make_project()
    def late(job):
        with job.chunk():
            Click.objects.create(visit=Visit.objects.get())
    told = subject("user", erase(Click, ), step(late), anonymise(Visit, by="user_id", user_id=""))
    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(project=mine, user_id=ANA))
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        print("RR", plan_of(told).problems)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        print("RR", ran.outcome, job.receipt, Click.objects.count())
        assert not (ran.outcome is Outcome.COMPLETED and Click.objects.count())

@isolate_apps(APP)
def test_23_preview_time_in_all():
    Visit = visit()
    made = [model(f"C{i}", visit=key(Visit), project=to_project()) for i in range(6)]
    told = subject("user", erase(Visit, by="user_id"), *[erase(m) for m in made])
    mine = make_project()
    real = PersonRows.of_store
    slow = {"postgresql": "pg_sleep(0.8) IS NOT NULL", "sqlite": "1=1"}[connection.vendor]
    from django.db.models.expressions import RawSQL
    with tables_of(Visit, *made):
        a = Visit.objects.create(project=mine, user_id=ANA)
        for m in made:
            m.objects.create(visit=a, project=mine)
        def of_store(self, store):
            return real(self, store).filter(RawSQL(slow, (), models.BooleanField()))
        try:
            PersonRows.of_store = of_store
            begun = time.monotonic()
            class F:  # no
                pass
            orig = real
            # rows of other projects are looked for with the same condition; sleep counts only where a row matches visit
            found = None
            try:
                found = preview_of(told, project=mine, seconds=1.0)
            except Exception as e:
                print("RR", type(e), e)
            took = time.monotonic() - begun
            print("RR took", took, found and [(s.rows, s.is_at_least) for s in found.stores])
        finally:
            PersonRows.of_store = real
        assert took < 2.5

def test_24_api_huge_reference_fk():
    pass

@isolate_apps(APP)
def test_25_custom_names():
    Visit = model("Visit", project=to_project(), user_id=models.CharField(max_length=99, db_column='User "Id'), before=key("self", null=True, db_column='Be"fore'), options={"db_table": 'Vi"Sit'})
    Click = model("Click", visit=key(Visit, models.SET_NULL, db_column="Visit Id"), options={"db_table": "Cl ICK"})
    told = subject("user", erase(Visit, by="user_id"), erase(Click))
    mine = make_project()
    with tables_of(Visit, Click):
        a = Visit.objects.create(project=mine, user_id=ANA)
        b = Visit.objects.create(project=mine, user_id=BEN, before=a)
        Click.objects.create(visit=b)
        job = run_map(told, project=mine)
        assert Visit.objects.count() == Click.objects.count() == 0

@isolate_apps(APP)
def test_26_percent_names():
    Visit = model("Visit", project=to_project(), user_id=text(), before=key("self", null=True), options={"db_table": "Vi%sit"})
    told = subject("user", erase(Visit, by="user_id"))
    mine = make_project()
    with tables_of(Visit):
        try:
            a = Visit.objects.create(project=mine, user_id=ANA)
            print("RR", Visit.objects.filter(user_id=ANA).count())
        except Exception as e:
            pytest.skip(f"django itself cannot {e}")
        run_map(told, project=mine)
        assert Visit.objects.count() == 0

@isolate_apps(APP)
def test_27_root_with_set_default_to_other_project():
    Visit = visit()
    Click = model("Click", visit=key(Visit, models.SET_DEFAULT, null=True, default=None), project=to_project())
    told = subject("user", erase(Visit, by="user_id"), keep(Click, because="x"))
    mine, theirs = make_project(), make_project()
    with tables_of(Visit, Click):
        Click.objects.create(visit=Visit.objects.create(project=mine, user_id=ANA), project=theirs)
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        print("RR", plan_of(told).problems)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        print("RR", ran.outcome, job.errors, job.receipt)

@isolate_apps(APP)
def test_28_generic_proxy_inherited_relation():
    Note = model("Note", content_type=key(ContentType), object_id=models.BigIntegerField(), about=GenericForeignKey("content_type", "object_id", for_concrete_model=False))
    Visit = visit(tags=GenericRelation(Note, for_concrete_model=False))
    Proxy = model("Special", Visit, options={"proxy": True})
    told = subject("user", erase(Visit, by="user_id"), erase(Note))
    mine = make_project()
    with tables_of(Note, Visit):
        v = Proxy.objects.create(project=mine, user_id=ANA)
        Note.objects.create(about=v)
        print("RR", plan_of(told).problems, Note.objects.get().content_type.model)
        job = make_running_job(action="trial", project=mine, reference_id=ANA)
        ran, job = run_attempt(EraseHandler(told), job, max_attempts=1)
        n = Note.objects.count()
        print("RR", ran.outcome, job.receipt, n)
        Note.objects.all().delete(); ContentType.objects.clear_cache()
        assert n == 0
