/* The names that ZooKeeper has for settings. */
#include "tools/taktd/config.h"

#include <string.h>

#define WHY_TIMES    "takt's are ensemble.heartbeat, ensemble.election_min and _max"
#define WHY_PEERS    "about the links of the Java servers; takt's are under peers"
#define WHY_QUORUM   "a majority of the voters decides, always"
#define WHY_JAVA     "about the inside of the Java server"
#define WHY_TLS      "TLS is not in this version"
#define WHY_AUTH     "SASL, X.509 and plug-in authentication are not in this version"
#define WHY_ADMIN    "the HTTP admin server is not in this version; use takt status"
#define WHY_METRICS  "a metrics server is not in this version; use the word mntr"
#define WHY_AUDIT    "the audit log is not in this version"
#define WHY_THROTTLE "takt bounds each queue; see limits in --help-config"
#define WHY_ALWAYS   "takt always does so"
#define WHY_FORMAT   "about the files of the Java server"

/* Properties of ZooKeeper that are known to have no effect here. "x*" is every name that begins so.
 * Source: zk_admin.md section 5. */
static const struct {
    const char *name, *why;
} config_table_zk_known[] = {
    {"initLimit", WHY_TIMES},
    {"syncLimit", WHY_TIMES},
    {"connectToLearnerMasterLimit", WHY_TIMES},
    {"observerMasterPort", WHY_PEERS},
    {"electionAlg", WHY_QUORUM},
    {"electionPortBindRetry", WHY_PEERS},
    {"leaderServes", WHY_ALWAYS},
    {"localSessionsEnabled", "every session is known to all members"},
    {"localSessionsUpgradingEnabled", "every session is known to all members"},
    {"group.*", WHY_QUORUM},
    {"weight.*", WHY_QUORUM},
    {"oraclePath", WHY_QUORUM},
    {"multiAddress.*", WHY_PEERS},
    {"quorum.*", WHY_PEERS},
    {"learner.*", WHY_PEERS},
    {"leader.*", WHY_PEERS},
    {"observer.*", WHY_PEERS},
    {"cnxTimeout", WHY_TIMES},
    {"tcpKeepAlive", WHY_PEERS},
    {"ensembleAuthName", WHY_PEERS},
    {"commitLogCount", WHY_FORMAT},
    {"syncEnabled", WHY_ALWAYS},
    {"ssl.*", WHY_TLS},
    {"sslQuorum*", WHY_TLS},
    {"sslProvider", WHY_TLS},
    {"secureClientPort*", WHY_TLS},
    {"client.portUnification", WHY_TLS},
    {"client.certReload", WHY_TLS},
    {"portUnification", WHY_TLS},
    {"fips-mode", WHY_TLS},
    {"authProvider*", WHY_AUTH},
    {"requireClientAuthScheme", WHY_AUTH},
    {"jaasLoginRenew", WHY_AUTH},
    {"sessionRequireClientSASLAuth", WHY_AUTH},
    {"allowSaslFailedClients", WHY_AUTH},
    {"sasl*", WHY_AUTH},
    {"kerberos.*", WHY_AUTH},
    {"superUser", WHY_AUTH},
    {"X509AuthenticationProvider.*", WHY_AUTH},
    {"IPAuthenticationProvider.*", WHY_AUTH},
    {"admin.*", WHY_ADMIN},
    {"metricsProvider.*", WHY_METRICS},
    {"audit.*", WHY_AUDIT},
    {"requestThrottle*", WHY_THROTTLE},
    {"requestStale*", WHY_THROTTLE},
    {"throttledOpWaitTime", WHY_THROTTLE},
    {"connectionMaxTokens", WHY_THROTTLE},
    {"connectionToken*", WHY_THROTTLE},
    {"connectionFreezeTime", WHY_THROTTLE},
    {"connectionDrop*", WHY_THROTTLE},
    {"connectionDecreaseRatio", WHY_THROTTLE},
    {"largeRequest*", WHY_THROTTLE},
    {"forceSync", WHY_ALWAYS},
    {"autopurge.purgeInterval", WHY_ALWAYS},
    {"enableEagerACLCheck", WHY_ALWAYS},
    {"closeSessionTxn.enabled", WHY_ALWAYS},
    {"clientTcpKeepAlive", WHY_ALWAYS},
    {"dataLogDir", "log and snapshots lie together in data.dir"},
    {"txnLogSizeLimitInKb", WHY_FORMAT},
    {"snapshot.compression.method", WHY_FORMAT},
    {"snapshot.trust.empty", WHY_FORMAT},
    {"digest.enabled", WHY_FORMAT},
    {"serializeLastProcessedZxid.enabled", WHY_FORMAT},
    {"emulate353TTLNodes", WHY_FORMAT},
    {"fsync.warningthresholdms", WHY_FORMAT},
    {"serverCnxnFactory", WHY_JAVA},
    {"nio.*", WHY_JAVA},
    {"netty.*", WHY_JAVA},
    {"flushDelay", WHY_JAVA},
    {"maxWriteQueuePollTime", WHY_JAVA},
    {"maxBatchSize", WHY_JAVA},
    {"maxResponseCacheSize", WHY_JAVA},
    {"maxGetChildrenResponseCacheSize", WHY_JAVA},
    {"jvm.pause.monitor*", WHY_JAVA},
    {"commitProcessor.*", WHY_JAVA},
    {"prepRequestProcessor.*", WHY_JAVA},
    {"watchManagerName", WHY_JAVA},
    {"watcherCleaner*", WHY_JAVA},
    {"bitHashCacheSize", WHY_JAVA},
};

static const char *config_table_zk_name(const char *name)
{
    return strncmp(name, "zookeeper.", 10) == 0 ? name + 10 : name;
}

const struct config_setting *config_table_zk_find(const char *name)
{
    name = config_table_zk_name(name);
    for (uint32_t i = 0; i < config_table_count; i++)
        if (config_table[i].zk && strcmp(config_table[i].zk, name) == 0)
            return &config_table[i];
    return NULL;
}

const char *config_table_zk_why(const char *name)
{
    name = config_table_zk_name(name);
    for (size_t i = 0; i < sizeof(config_table_zk_known) / sizeof(config_table_zk_known[0]); i++) {
        const char *known = config_table_zk_known[i].name;
        size_t size = strlen(known);
        bool begins = known[size - 1] == '*';
        if (begins ? strncmp(known, name, size - 1) == 0 : strcmp(known, name) == 0)
            return config_table_zk_known[i].why;
    }
    return NULL;
}
