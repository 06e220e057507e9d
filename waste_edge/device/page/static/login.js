// A link from another site brings no cookie with it; this page's own request does.
const answer = await fetch("/api/state");
if (answer.ok) location.replace("/");
