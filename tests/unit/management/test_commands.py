"""The commands for projects, API keys and organizations, as people and scripts call them."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import ApiKey, Organization, Project
from jobs.services.tenants.api_keys import find_access
from jobs.services.tenants.projects import get_project_model
from tests.support.commands import error_of, run, run_json
from tests.support.factories import make_key, make_organization, make_project

pytestmark = pytest.mark.django_db

named_projects = pytest.mark.skipif(get_project_model() is not Project, reason="the host has a Project of its own")


@named_projects
class TestCreateProject:
    def test_a_project_and_its_organization_are_made(self):
        made = run_json("createproject", "Shop", "--organization", "Acme")

        project = Project.objects.get()
        assert made == {"projectId": project.pk, "projectKey": project.key, "name": "Shop", "organization": "Acme"}
        assert project.organization.name == "Acme"

    def test_an_organization_that_exists_is_used_and_a_name_that_is_taken_in_it_is_refused(self):
        run("createproject", "Shop", "--organization", "Acme")
        run("createproject", "Blog", "--organization", "Acme")

        told = error_of("createproject", "Shop", "--organization", "Acme")

        assert told == "name: Acme has a project of this name already"
        assert Organization.objects.count() == 1

    def test_without_json_both_are_printed_for_people(self):
        printed = run("createproject", "Shop", "--organization", "Acme")

        project = Project.objects.get()
        assert printed == f"projectId:  {project.pk}\nprojectKey: {project.key}\n"

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
    def test_an_invalid_name_is_refused_and_nothing_created(self, name: str):
        assert error_of("createproject", name, "--organization", "Acme").startswith("name: must ")
        assert error_of("createproject", "Shop", "--organization", name).startswith("organization: must ")
        assert not Organization.objects.exists()


class TestCreateApiKey:
    def test_the_key_is_printed_and_works(self):
        project = make_project()

        made = run_json("createapikey", "--organization", project.organization.name)

        access = find_access(made["key"], project_key=project.key)
        assert access is not None
        assert access.project == project
        assert made["prefix"] == made["key"][:12] == access.key.prefix
        assert made["scopes"] == ["read", "create", "cancel"]
        assert made["expiresAt"] is made["projectKey"] is None

    def test_every_option_is_stored(self):
        project = make_project()
        options = ["--name", "CI", "--project", project.key, "--scopes", "cancel, read", "--expires-in", "30"]

        made = run_json("createapikey", "--organization", project.organization.name, *options)

        key = ApiKey.objects.get()
        assert (key.name, key.project, key.scopes) == ("CI", project, ["read", "cancel"])
        assert key.expires_at is not None
        assert (key.expires_at - key.created_at).total_seconds() == pytest.approx(30 * 86_400, abs=5)
        assert made["expiresAt"] == key.expires_at.isoformat(timespec="seconds")

    def test_without_json_the_key_alone_is_on_stdout(self):
        project = make_project()

        printed = run("createapikey", "--organization", project.organization.name)

        assert find_access(printed.strip(), project_key=project.key)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (["--scopes", "write"], "scopes: must be some of read, create, cancel, not write"),
            (["--scopes", ""], "scopes: must be some of read, create, cancel"),
            (["--expires-in", "0"], "lifetime: must be above 0 and at most 36,500 days"),
            (["--expires-in", "-1"], "lifetime: must be above 0 and at most 36,500 days"),
            (["--expires-in", "99999999999999"], "--expires-in takes a number of days from 1 to 36500"),
            (["--project", "unknown"], "project not found"),
        ],
    )
    def test_invalid_options_are_refused_in_a_sentence(self, options: list[str], sentence: str):
        organization = make_project().organization.name

        assert error_of("createapikey", "--organization", organization, *options) == sentence
        assert not ApiKey.objects.exists()

    def test_a_foreign_project_is_not_found(self):
        ours, theirs = make_project(), make_project()

        assert error_of("createapikey", "--organization", ours.organization.name, "--project", theirs.key) == (
            "project not found"
        )


@pytest.mark.parametrize(
    "words", ["createapikey --organization", "listapikeys --organization", "disableorganization", "enableorganization"]
)
def test_an_unknown_organization_is_named(words: str):
    assert error_of(*words.split(), "Nobody") == "organization: there is none called 'Nobody'"


@pytest.mark.parametrize("command", ["revokeapikey", "rotateapikey"])
@pytest.mark.parametrize("prefix", ["", "jsk_unknown", "%", "x" * 100])
def test_an_unknown_prefix_is_refused(command: str, prefix: str):
    make_key()

    assert error_of(command, prefix) == "no API key has this prefix"


class TestListApiKeys:
    def test_the_keys_of_one_organization_are_listed_without_their_secrets(self):
        make_key()
        made = make_key(name="CI", scopes=["read"])

        listed = run_json("listapikeys", "--organization", made.key.organization.name)["data"]

        assert [(key["prefix"], key["name"], key["scopes"]) for key in listed] == [(made.secret[:12], "CI", ["read"])]
        assert made.secret not in run("listapikeys") + json.dumps(listed)
        assert made.key.digest not in json.dumps(listed)

    def test_without_json_it_is_a_table(self):
        made = make_key(name="CI")
        run("revokeapikey", make_key().key.prefix)

        heading, revoked, valid = run("listapikeys").splitlines()

        assert heading.startswith("PREFIX")
        assert "revoked" in revoked
        assert valid.startswith(made.key.prefix)
        assert valid.endswith("CI")

    @pytest.mark.parametrize(("left", "state"), [(timedelta(hours=1), "expires"), (timedelta(hours=-1), "expired")])
    def test_the_database_says_if_a_key_is_over(self, monkeypatch: pytest.MonkeyPatch, left: timedelta, state: str):
        now = timezone.now()
        ApiKey.objects.filter(pk=make_key().key.pk).update(expires_at=now + left)
        monkeypatch.setattr(timezone, "now", lambda: now + left * 2)  # this host's clock, wrong by two hours

        assert f" {state} " in run("listapikeys")

    def test_without_keys_a_sentence_says_so(self):
        assert run("listapikeys") == "There are no API keys.\n"
        assert run_json("listapikeys") == {"data": []}


class TestRevokeApiKey:
    def test_a_revoked_key_is_refused_and_revoking_again_changes_nothing(self):
        project = make_project()
        made = make_key(organization=project.organization)

        told, again = (run_json("revokeapikey", made.key.prefix) for _ in range(2))

        assert told["prefix"] == made.key.prefix
        assert told["revokedAt"]
        assert told == again
        assert find_access(made.secret, project_key=project.key) is None


class TestRotateApiKey:
    def test_the_new_key_is_shown_and_both_work(self):
        old = make_key(name="CI")

        made = run_json("rotateapikey", old.key.prefix)

        assert find_access(made["key"], project_key="x")
        assert find_access(old.secret, project_key="x")
        ended = ApiKey.objects.get(pk=old.key.pk).expires_at
        assert ended is not None
        assert (ended - timezone.now()).total_seconds() == pytest.approx(24 * 3600, abs=60)
        assert made == {
            "key": made["key"],
            "prefix": made["key"][:12],
            "expiresAt": None,
            "replaces": old.key.prefix,
            "replacedExpiresAt": ended.isoformat(timespec="seconds"),
        }

    def test_the_overlap_can_be_chosen(self):
        old = make_key(lifetime=timedelta(days=30))

        made = run_json("rotateapikey", old.key.prefix, "--overlap-hours", "0.5")

        ended = ApiKey.objects.get(pk=old.key.pk).expires_at
        assert ended is not None
        assert (ended - timezone.now()).total_seconds() == pytest.approx(1800, abs=60)
        new = ApiKey.objects.get(prefix=made["prefix"])
        assert new.expires_at is not None
        assert made["expiresAt"] == new.expires_at.isoformat(timespec="seconds")

    def test_without_json_the_key_alone_is_on_stdout(self):
        printed = run("rotateapikey", make_key().key.prefix)

        assert find_access(printed.strip(), project_key="x")

    @pytest.mark.parametrize(
        ("hours", "sentence"),
        [
            *((hours, "overlap: must be 0 to 8,760 hours") for hours in ("-1", "8761")),
            *((hours, "--overlap-hours takes a number of hours from 0 to 8760") for hours in ("nan", "inf", "1e300")),
        ],
    )
    def test_an_overlap_that_is_no_duration_or_out_of_bounds_is_refused(self, hours: str, sentence: str):
        assert error_of("rotateapikey", make_key().key.prefix, f"--overlap-hours={hours}") == sentence


class TestDisableAndEnableOrganization:
    def test_both_print_what_they_did_as_json(self):
        name = make_organization().name

        disabled = run_json("disableorganization", name)
        since = Organization.objects.get().disabled_at
        enabled = [run_json("enableorganization", name) for _ in range(2)]

        assert since is not None
        assert disabled == {"organization": name, "disabledAt": since.isoformat(timespec="seconds")}
        assert [told["wasDisabled"] for told in enabled] == [True, False]
        assert Organization.objects.get().disabled_at is None

    def test_both_print_sentences(self):
        name = make_organization().name

        assert run("disableorganization", name).startswith(f"{name} is disabled since ")
        assert run("enableorganization", name) == f"{name} is enabled.\n"
        assert run("enableorganization", name) == f"Nothing to enable: {name} was not disabled.\n"
