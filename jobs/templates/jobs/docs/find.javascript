async function* walk(filters = {}) {
  const query = new URLSearchParams({ cursor: "", limit: {{ limits.page }}, ...filters });
  let address = `${BASE}/${PROJECT}/jobs?${query}`;
  while (address) {
    const answer = await call(address);
    if (!answer.ok) throw new Error(await answer.text());
    yield* (await answer.json()).data;
    const next = /<([^>]*)>; rel="next"/.exec(answer.headers.get("Link"));
    address = next && new URL(next[1], address).href;
  }
}

for await (const job of walk({ status: "failed" })) console.log(job.jobId, job.errors);
