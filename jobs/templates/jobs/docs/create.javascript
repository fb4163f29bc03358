// The new job, or the one that waits or runs; it is never created twice.
async function create(action, referenceId, { startAt }) {
  const answer = await call(`${BASE}/${PROJECT}/jobs?ifExists=return`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify({ action, referenceId, startAt: startAt.getTime() }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()).data;
}

const inSevenDays = new Date(Date.now() + 7 * 86400 * 1000);
const job = await create("{{ action }}", "shekar@example.com", { startAt: inSevenDays });
console.log(job.jobId, job.status);
