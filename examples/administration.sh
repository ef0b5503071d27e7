npx weir keys create "checkout service" --allow "demo/*" --label cost_center=42
npx weir keys list
npx weir models
npx weir usage --by key,model --days 7
