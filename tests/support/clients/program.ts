import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./jobs.js";

type ApiError = components["schemas"]["ApiError"];

const [address, project, secret, reader, ended, errors] = process.argv.slice(2) as
  [string, string, string, string, string, string];
const clientOf = (key: string) => createClient<paths>({ baseUrl: address, headers: { Authorization: `Bearer ${key}` } });
const client = clientOf(secret);
const path = { projectKey: project };
const newJob = (referenceId: string) => ({ action: "delete_user_data" as const, referenceId, startAt: 4102444800000 });

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
function refused(error: ApiError | undefined, code: string): ApiError {
  check(error !== undefined && error.code === code && error.docs.endsWith(`#error-${code}`), `${code}: ${JSON.stringify(error)}`);
  return error;
}

const key = await client.GET("/me");
check(key.data?.data.scopes.includes("cancel") === true, "the key");
const once = crypto.randomUUID();
const create = (referenceId: string, further: { "Idempotency-Key"?: string } = {}) =>
  client.POST("/{projectKey}/jobs", { params: { path, header: further }, body: newJob(referenceId) });
const created = await create("ana@example.com", { "Idempotency-Key": once });
check(created.data?.data.status === "scheduled", "created");
const jobId: number = created.data.data.jobId;
const replayed = await create("ana@example.com", { "Idempotency-Key": once });
check(replayed.response.headers.get("Idempotent-Replayed") === "true", "replayed");
refused((await create("b@example.com", { "Idempotency-Key": once })).error, "idempotency_key_reused");
check(refused((await create("ana@example.com")).error, "active_job_exists").details?.job?.jobId === jobId, "the active job");
const same = await client.POST("/{projectKey}/jobs", { params: { path, query: { ifExists: "return" } }, body: newJob("ana@example.com") });
check(same.data?.data.jobId === jobId, "ifExists");
const batch = () => client.POST("/{projectKey}/jobs/batch", { params: { path }, body: { jobs: [newJob("c@example.com"), newJob("d@example.com")] } });
check((await batch()).data?.data.length === 2, "the batch");
check(refused((await batch()).error, "batch_conflict").details?.conflicts?.length === 2, "the conflicts");
const listed = await client.GET("/{projectKey}/jobs", { params: { path, query: { status: ["scheduled"], limit: 5, cursor: "" } } });
check((listed.data?.data.length ?? 0) > 0, "the list");

const members = ["progress", "receipt", "events", "attempts"] as const;
const show = (id: number, include: readonly (typeof members)[number][], header: { "If-None-Match"?: string } = {}) =>
  client.GET("/{projectKey}/jobs/{jobId}", { params: { path: { ...path, jobId: id }, query: { include: [...include] }, header } });
for (const member of members) check((await show(jobId, [member])).data?.data[member] !== undefined, member);
const waiting = await show(jobId, members);
check(waiting.data?.data.progress?.waitingFor?.what === "startTime", "waitingFor");
check(waiting.data.data.progress.waitingFor.until === 4102444800000, "until");
check((await show(jobId, members, { "If-None-Match": waiting.response.headers.get("ETag") ?? "" })).response.status === 304, "304");
const whole = (await show(Number(ended), members)).data?.data;
check(whole?.attempts?.[0]?.outcome === "completed" && whole.events?.[0]?.from === null, "the ended job");

const cancel = () => client.DELETE("/{projectKey}/jobs/{jobId}", { params: { path: { ...path, jobId }, query: { reason: "A mistake." } } });
check((await cancel()).data?.data.status === "cancelled", "cancelled");
refused((await cancel()).error, "transition_refused");
const erased = await client.DELETE("/{projectKey}/users/{userId}", { params: { path: { ...path, userId: "erased@example.com" } } });
check(erased.data?.data.referenceId === "erased@example.com", "erased");
refused((await show(0, [])).error, "job_not_found");
refused((await client.GET("/{projectKey}/jobs", { params: { path: { projectKey: "nowhere" } } })).error, "project_not_found");
refused((await clientOf("jsk_wrong").GET("/me")).error, "unauthorized");
refused((await clientOf(reader).POST("/{projectKey}/jobs", { params: { path }, body: newJob("e@example.com") })).error, "missing_scope");
check(refused((await create(" ")).error, "invalid_field").details?.field === "referenceId", "the field");
for (const example of JSON.parse(readFileSync(errors, "utf8")) as ApiError[]) check(example.code !== "", "an example");
