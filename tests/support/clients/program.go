package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	jobs "example.org/jobs"
)

const in2100 = int64(4102444800000)

func check(holds bool, what string, facts ...interface{}) {
	if !holds {
		panic(fmt.Sprint(what, ": ", facts))
	}
}

func refused(err error, code string) jobs.ApiError {
	var problem *jobs.GenericOpenAPIError
	check(errors.As(err, &problem), code, err)
	told, is := problem.Model().(jobs.ApiError)
	check(is && told.Code == code && strings.HasSuffix(told.Docs, "#error-"+code), code, told)
	return told
}

func newJob(reference string) jobs.NewJobRequest {
	job := jobs.NewNewJobRequest("delete_user_data", reference)
	job.SetStartAt(in2100)
	return *job
}

func main() {
	address, project, secret, reader, ended, examples := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	settings := jobs.NewConfiguration()
	settings.Servers = jobs.ServerConfigurations{{URL: address}}
	api := jobs.NewAPIClient(settings)
	with := func(key string) context.Context {
		return context.WithValue(context.Background(), jobs.ContextAccessToken, key)
	}
	ctx := with(secret)
	ok := func(err error) {
		if err != nil {
			panic(err)
		}
	}

	key, _, err := api.KeysAPI.GetKey(ctx).Execute()
	ok(err)
	check(len(key.Data.Scopes) == 3 && key.Data.Scopes[0].IsValid(), "the key", key)
	create := func(reference string) jobs.ApiCreateJobRequest {
		return api.JobsAPI.CreateJob(ctx, project).NewJobRequest(newJob(reference))
	}
	created, _, err := create("ana@example.com").IdempotencyKey("once-go").Execute()
	ok(err)
	id := created.Data.JobId
	_, answer, err := create("ana@example.com").IdempotencyKey("once-go").Execute()
	ok(err)
	check(answer.Header.Get("Idempotent-Replayed") == "true", "replayed")
	_, _, err = create("b@example.com").IdempotencyKey("once-go").Execute()
	refused(err, "idempotency_key_reused")
	_, _, err = create("ana@example.com").Execute()
	there := refused(err, "active_job_exists")
	check(there.Details.Job.JobId == id, "the active job")
	same, _, err := create("ana@example.com").IfExists("return").Execute()
	ok(err)
	check(same.Data.JobId == id, "ifExists")
	batch := *jobs.NewNewJobsRequest([]jobs.NewJobRequest{newJob("c@example.com"), newJob("d@example.com")})
	many, _, err := api.JobsAPI.CreateJobs(ctx, project).NewJobsRequest(batch).Execute()
	ok(err)
	check(len(many.Data) == 2, "the batch")
	_, _, err = api.JobsAPI.CreateJobs(ctx, project).NewJobsRequest(batch).Execute()
	check(len(refused(err, "batch_conflict").Details.Conflicts) == 2, "the conflicts")
	listed, _, err := api.JobsAPI.ListJobs(ctx, project).Status([]string{"scheduled"}).Limit(5).Cursor("").Execute()
	ok(err)
	check(len(listed.Data) > 0, "the list")

	members := []string{"progress", "receipt", "events", "attempts"}
	for _, member := range members {
		_, _, err = api.JobsAPI.GetJob(ctx, project, id).Include([]string{member}).Execute()
		ok(err)
	}
	waiting, answer, err := api.JobsAPI.GetJob(ctx, project, id).Include(members).Execute()
	ok(err)
	wait := waiting.Data.Progress.WaitingFor.Get()
	check(wait.What == jobs.WAITREASON_START_TIME && *wait.Until == in2100, "waitingFor", wait)
	_, answer, _ = api.JobsAPI.GetJob(ctx, project, id).Include(members).IfNoneMatch(answer.Header.Get("ETag")).Execute()
	check(answer.StatusCode == 304, "304", answer.StatusCode)
	number, err := strconv.ParseInt(ended, 10, 64)
	ok(err)
	whole, _, err := api.JobsAPI.GetJob(ctx, project, number).Include(members).Execute()
	ok(err)
	check(whole.Data.Attempts[0].Outcome == jobs.ATTEMPTOUTCOME_COMPLETED, "the attempts")
	check(whole.Data.Events[0].From.Get() == nil && whole.Data.Receipt != nil, "the events")

	cancelled, _, err := api.JobsAPI.CancelJob(ctx, project, id).Reason("A mistake.").Execute()
	ok(err)
	check(cancelled.Data.Status == jobs.JOBSTATUS_CANCELLED, "cancelled")
	_, _, err = api.JobsAPI.CancelJob(ctx, project, id).Execute()
	refused(err, "transition_refused")
	_, _, err = api.UsersAPI.EraseUser(ctx, project, "erased@example.com").Execute()
	ok(err)
	_, _, err = api.JobsAPI.GetJob(ctx, project, 0).Execute()
	refused(err, "job_not_found")
	_, _, err = api.JobsAPI.ListJobs(ctx, "nowhere").Execute()
	refused(err, "project_not_found")
	_, _, err = api.KeysAPI.GetKey(with("jsk_wrong")).Execute()
	refused(err, "unauthorized")
	_, _, err = api.JobsAPI.CreateJob(with(reader), project).NewJobRequest(newJob("e@example.com")).Execute()
	refused(err, "missing_scope")
	_, _, err = create(" ").Execute()
	check(*refused(err, "invalid_field").Details.Field == "referenceId", "the field")

	text, err := os.ReadFile(examples)
	ok(err)
	var all []jobs.ApiError
	ok(json.Unmarshal(text, &all))
	for _, example := range all {
		check(example.Code != "" && example.Docs != "", "an example", example)
	}
}
