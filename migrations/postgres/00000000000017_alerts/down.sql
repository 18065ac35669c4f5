DROP TABLE webhook_deliveries;
DROP TABLE alerts;
DROP TABLE webhooks;
