const BASE = "{{ base }}";
const PROJECT = "YOUR_PROJECT_KEY";
const KEY = "YOUR_API_KEY";

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

async function call(address, { headers, ...options } = {}) {
  const request = { ...options, headers: { Authorization: `Bearer ${KEY}`, ...headers } };
  for (const seconds of [1, 2, 4, 8, 16]) {
    const answer = await fetch(address, request).catch(() => null);
    if (answer && ![429, 500, 503].includes(answer.status)) return answer;
    await sleep(Number(answer?.headers.get("Retry-After") ?? seconds));
  }
  throw new Error("there was no answer; ask again later");
}

const me = await call(`${BASE}/me`);
if (!me.ok) throw new Error(await me.text());
console.log((await me.json()).data);
