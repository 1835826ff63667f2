INSERT INTO UM_TENANT (UM_ID, UM_DOMAIN_NAME, UM_EMAIL, UM_ACTIVE, UM_CREATED_DATE) VALUES
    (1, 'one.com', 'a@one.com', TRUE, '2012-01-01 00:00:00'), (2, 'two.com', 'a@two.com', TRUE, '2012-01-02 00:00:00'),
    (3, 'three.com', NULL, FALSE, '2012-01-03 00:00:00'), (5, 'five.com', NULL, TRUE, '2012-01-05 00:00:00'),
    (8, 'eight.com', NULL, TRUE, '2012-01-08 00:00:00');
INSERT INTO UM_USER (UM_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_CHANGED_TIME, UM_TENANT_ID) VALUES
    (1, 'admin', 'x', '2012-01-01 00:00:00', -1234), (2, 'jane', 'x', '2012-01-01 00:00:00', -1234),
    (3, 'admin', 'x', '2012-01-01 00:00:00', 1), (4, 'admin', 'x', '2012-01-01 00:00:00', 2);
INSERT INTO UM_ROLE (UM_ID, UM_ROLE_NAME, UM_TENANT_ID) VALUES
    (1, 'admin', -1234), (2, 'ops', -1234), (3, 'admin', 1), (4, 'admin', 2);
INSERT INTO UM_USER_ROLE (UM_ID, UM_ROLE_ID, UM_USER_ID, UM_TENANT_ID) VALUES
    (1, 1, 1, -1234), (2, 2, 2, -1234), (3, 3, 3, 1), (4, 4, 4, 2);
INSERT INTO UM_PERMISSION (UM_ID, UM_RESOURCE_ID, UM_ACTION, UM_TENANT_ID) VALUES
    (1, '/permission/admin', 'ui.execute', -1234), (2, '/_system', 'http://www.wso2.org/projects/registry/actions/get', -1234),
    (3, '/permission/admin', 'ui.execute', 1), (4, '/_system/config', 'get', 1), (5, '/permission/admin', 'ui.execute', 2),
    (6, '/gone', 'get', 77), (7, '/permission', 'ui.execute', 8);
INSERT INTO UM_ROLE_PERMISSION (UM_ID, UM_PERMISSION_ID, UM_ROLE_NAME, UM_IS_ALLOWED, UM_TENANT_ID) VALUES
    (1, 1, 'admin', 1, -1234), (2, 1, 'ops', 0, -1234), (3, 2, 'everyone', 1, -1234),
    (4, 2, 'wso2.anonymous.role', 1, -1234), (5, 2, 'admin', 1, -1234), (6, 3, 'admin', 1, 1), (7, 4, 'everyone', 1, 1),
    (8, 4, 'wso2.anonymous.role', 0, 1), (9, 5, 'admin', 1, 2), (10, 6, 'everyone', 1, 77), (11, 6, 'admin', 1, 77),
    (12, 7, 'everyone2', 1, 8);
INSERT INTO UM_HYBRID_ROLE (UM_ID, UM_ROLE_NAME, UM_TENANT_ID) VALUES (1, 'internal', -1234), (2, 'internal', 5);
INSERT INTO UM_HYBRID_USER_ROLE (UM_ID, UM_USER_NAME, UM_ROLE_ID, UM_TENANT_ID) VALUES
    (1, 'admin', 1, -1234), (2, 'jane', 1, -1234), (3, 'admin', 2, 5);
INSERT INTO UM_DIALECT (UM_ID, UM_DIALECT_URI, UM_TENANT_ID) VALUES (1, 'http://wso2.org/claims', -1234);
INSERT INTO UM_CLAIM (UM_ID, UM_DIALECT_ID, UM_CLAIM_URI, UM_MAPPED_ATTRIBUTE, UM_SUPPORTED, UM_TENANT_ID) VALUES
    (1, 1, 'http://wso2.org/claims/mail', 'mail', 1, -1234), (2, 1, 'http://wso2.org/claims/name', 'cn', 1, -1234);
