# On your server, for one page of one user: a token that asks one model, for five minutes.
curl -sS $WEIR_ADDRESS/weir.policy.v1.PolicyService/CreateToken \
  -H "Authorization: Bearer $WEIR_KEY" -H "Content-Type: application/json" \
  -d '{"lifetime": "300s", "scope": {"models": ["demo/demo-chat"]}, "labels": {"end_user": "u-42"}}'
