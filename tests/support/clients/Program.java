import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.JobsApi;
import org.openapitools.client.api.KeysApi;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.model.*;

public final class Program {
  interface Call { void run() throws Exception; }

  static final long IN_2100 = 4102444800000L;
  static final ObjectMapper MAPPER = ApiClient.createDefaultObjectMapper();

  static ApiClient client(String address, String key) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(address);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    return client;
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static ApiError refused(String code, Call call) throws Exception {
    try {
      call.run();
    } catch (ApiException refusal) {
      ApiError error = MAPPER.readValue(refusal.getResponseBody(), ApiError.class);
      check(error.getCode().equals(code) && error.getDocs().endsWith("#error-" + code), code + ": " + error);
      return error;
    }
    throw new AssertionError(code + ": was not refused");
  }

  static NewJobRequest job(String reference) {
    return new NewJobRequest().action(NewJobRequest.ActionEnum.DELETE_USER_DATA).referenceId(reference).startAt(IN_2100);
  }

  static JobsApi.APICreateJobRequest.Builder create(String project, String reference) {
    return JobsApi.APICreateJobRequest.newBuilder().projectKey(project).newJobRequest(job(reference));
  }

  static JobsApi.APIGetJobRequest.Builder show(String project, long id) {
    return JobsApi.APIGetJobRequest.newBuilder().projectKey(project).jobId(id);
  }

  public static void main(String[] given) throws Exception {
    String address = given[0], project = given[1];
    JobsApi jobs = new JobsApi(client(address, given[2]));
    KeysApi keys = new KeysApi(client(address, given[2]));
    check(keys.getKey(KeysApi.APIGetKeyRequest.newBuilder().build()).getData().getScopes().contains(KeyScope.CANCEL), "the key");

    long id = jobs.createJob(create(project, "ana@example.com").idempotencyKey("once-java").build()).getData().getJobId();
    refused("idempotency_key_reused", () -> jobs.createJob(create(project, "b@example.com").idempotencyKey("once-java").build()));
    ApiError there = refused("active_job_exists", () -> jobs.createJob(create(project, "ana@example.com").build()));
    check(there.getDetails().getJob().getJobId() == id, "the active job");
    check(jobs.createJob(create(project, "ana@example.com").ifExists("return").build()).getData().getJobId() == id, "ifExists");
    JobsApi.APICreateJobsRequest batch = JobsApi.APICreateJobsRequest.newBuilder().projectKey(project)
        .newJobsRequest(new NewJobsRequest().jobs(List.of(job("c@example.com"), job("d@example.com")))).build();
    check(jobs.createJobs(batch).getData().size() == 2, "the batch");
    check(refused("batch_conflict", () -> jobs.createJobs(batch)).getDetails().getConflicts().size() == 2, "the conflicts");
    JobList listed = jobs.listJobs(JobsApi.APIListJobsRequest.newBuilder().projectKey(project).status(List.of("scheduled")).limit(5L).cursor("").build());
    check(!listed.getData().isEmpty(), "the list");

    List<String> members = List.of("progress", "receipt", "events", "attempts");
    for (String member : members) jobs.getJob(show(project, id).include(List.of(member)).build());
    var answer = jobs.getJobWithHttpInfo(show(project, id).include(members).build());
    JobWait wait = answer.getData().getData().getProgress().getWaitingFor();
    check(wait.getWhat() == WaitReason.START_TIME && wait.getUntil() == IN_2100, "waitingFor");
    String etag = answer.getHeaders().entrySet().stream().filter(one -> one.getKey().equalsIgnoreCase("etag")).findFirst().orElseThrow().getValue().get(0);
    try {
      jobs.getJob(show(project, id).include(members).ifNoneMatch(etag).build());
      throw new AssertionError("no 304");
    } catch (ApiException unchanged) {
      check(unchanged.getCode() == 304, "304");
    }
    JobDetails ended = jobs.getJob(show(project, Long.parseLong(given[4])).include(members).build()).getData();
    check(ended.getAttempts().get(0).getOutcome() == AttemptOutcome.COMPLETED, "the attempts");
    check(ended.getEvents().get(0).getFrom() == null && ended.getReceipt() != null, "the events");

    JobsApi.APICancelJobRequest cancel = JobsApi.APICancelJobRequest.newBuilder().projectKey(project).jobId(id).reason("A mistake.").build();
    check(jobs.cancelJob(cancel).getData().getStatus() == JobStatus.CANCELLED, "cancelled");
    refused("transition_refused", () -> jobs.cancelJob(cancel));
    new UsersApi(client(address, given[2])).eraseUser(UsersApi.APIEraseUserRequest.newBuilder().projectKey(project).userId("erased@example.com").build());
    refused("job_not_found", () -> jobs.getJob(show(project, 0).build()));
    refused("project_not_found", () -> jobs.listJobs(JobsApi.APIListJobsRequest.newBuilder().projectKey("nowhere").build()));
    refused("unauthorized", () -> new KeysApi(client(address, "jsk_wrong")).getKey(KeysApi.APIGetKeyRequest.newBuilder().build()));
    refused("missing_scope", () -> new JobsApi(client(address, given[3])).createJob(create(project, "e@example.com").build()));
    check(refused("invalid_field", () -> jobs.createJob(create(project, " ").build())).getDetails().getField().equals("referenceId"), "the field");
    for (ApiError example : MAPPER.readValue(new File(given[5]), ApiError[].class)) check(!example.getCode().isEmpty() && example.getDocs() != null, "an example");
  }
}
