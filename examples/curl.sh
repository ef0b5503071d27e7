# OpenAI's API, as a stream.
curl -sSN $WEIR_ADDRESS/v1/chat/completions \
  -H "Authorization: Bearer $WEIR_KEY" -H "Content-Type: application/json" \
  -d '{"model": "demo/demo-chat", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'

# Anthropic's API, to the same model.
curl -sS $WEIR_ADDRESS/v1/messages \
  -H "x-api-key: $WEIR_KEY" -H "anthropic-version: 2023-06-01" -H "Content-Type: application/json" \
  -d '{"model": "demo/demo-chat", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'

# Weir's own API: Connect is JSON over HTTP.
curl -sS $WEIR_ADDRESS/weir.inference.v1.InferenceService/Generate \
  -H "Authorization: Bearer $WEIR_KEY" -H "Content-Type: application/json" \
  -d '{"generation": {"model": "demo/demo-chat", "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "Hello"}}]}]}}'
