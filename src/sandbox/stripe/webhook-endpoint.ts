/** The one webhook endpoint of an account. */
export const webhookEndpointId = "we_sandbox";

/** Has the server at `stripeUrl` send its events to `url` from now on. */
export async function setWebhookUrl(stripeUrl: string, url: string, signal?: AbortSignal): Promise<void> {
  const response = await fetch(`${stripeUrl}/v1/webhook_endpoints/${webhookEndpointId}`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_sandbox" },
    body: new URLSearchParams({ url }),
    ...(signal === undefined ? {} : { signal }),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`the URL of the webhook was not set: ${body}`);
}
