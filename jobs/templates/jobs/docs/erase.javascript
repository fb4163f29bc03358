const user = encodeURIComponent("mehdi@example.com");
const erase = await call(`${BASE}/${PROJECT}/users/${user}?startAt=0`, {
  method: "DELETE", // startAt=0: now
  headers: { "Idempotency-Key": crypto.randomUUID() },
});
const answered = await erase.json();
if (erase.ok) console.log(answered.data.jobId);
else if (erase.status === 409) console.log("Asked for already:", answered.details.job.jobId);
else throw new Error(answered.error);
