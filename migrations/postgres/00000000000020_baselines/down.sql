DROP TABLE usage_baselines;
