const reason = new URLSearchParams({ reason: "Asked for by mistake." });
const cancel = await call(`${BASE}/${PROJECT}/jobs/${job.jobId}?${reason}`, { method: "DELETE" });
const told = await cancel.json();
if (cancel.ok) console.log(told.data.status);
else if (told.code === "transition_refused") console.log("It had ended already.");
else throw new Error(told.error);
