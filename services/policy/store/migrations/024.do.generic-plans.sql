-- The plans of these functions are the same whatever they are asked: by keys, of short arrays. PostgreSQL made them anew at each call all the same, as it takes
-- an array that it does not know yet for ten long, and so a plan for a shorter one for cheaper. That was a quarter of acquire_leases' time, and two thirds of settle_leases'.

ALTER FUNCTION acquire_leases SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION settle_leases SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION draw_rates SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION draw_permits SET plan_cache_mode = force_generic_plan;
