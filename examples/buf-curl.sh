npx buf curl --http2-prior-knowledge --protocol grpc -H "authorization: Bearer $WEIR_KEY" \
  -d '{"generation": {"model": "demo/demo-chat", "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "Hello"}}]}]}}' \
  $WEIR_ADDRESS/weir.inference.v1.InferenceService/Generate
