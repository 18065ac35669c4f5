ALTER TABLE routing_rules DROP COLUMN conduct;
