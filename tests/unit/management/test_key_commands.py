"""Commands that rotate keys, and that disable and enable organizations."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import ApiKey, Organization
from jobs.services.tenants.api_keys import find_access
from tests.support.commands import error_of, run, run_json
from tests.support.factories import make_key, make_organization

pytestmark = pytest.mark.django_db


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

    @pytest.mark.parametrize("hours", ["-1", "8761"])
    def test_an_overlap_out_of_bounds_is_refused(self, hours: str):
        told = error_of("rotateapikey", make_key().key.prefix, f"--overlap-hours={hours}")

        assert told == "overlap: must be 0 to 8,760 hours"

    @pytest.mark.parametrize("hours", ["nan", "inf", "1e300"])
    def test_a_number_that_is_no_duration_is_refused(self, hours: str):
        told = error_of("rotateapikey", make_key().key.prefix, f"--overlap-hours={hours}")

        assert told == "--overlap-hours takes a number of hours from 0 to 8760"

    def test_an_unknown_prefix_is_refused(self):
        assert error_of("rotateapikey", "jsk_unknown") == "no API key has this prefix"


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

    @pytest.mark.parametrize("command", ["disableorganization", "enableorganization"])
    def test_an_unknown_name_is_refused(self, command: str):
        assert error_of(command, "Nobody") == "organization: there is none called 'Nobody'"
