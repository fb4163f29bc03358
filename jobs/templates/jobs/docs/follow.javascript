// The job once it has ended.
async function follow(jobId) {
  let etag = "";
  for (;;) {
    const answer = await call(`${BASE}/${PROJECT}/jobs/${jobId}`, { headers: { "If-None-Match": etag } });
    const seconds = answer.headers.get("Retry-After");
    if (answer.ok) {
      if (seconds === null) return (await answer.json()).data;
      etag = answer.headers.get("ETag");
    } else if (answer.status !== 304) {
      throw new Error(await answer.text());
    }
    await sleep(Number(seconds));
  }
}

const ended = await follow(job.jobId); // it waits for seven days, if nobody cancels the job
console.log(ended.status, ended.errors);
