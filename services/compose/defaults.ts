/** Owns the defaults that commands share with the settings, apart from them because a health check must not load every service. */

/** The file that is read when none is named and there is one of this name. */
export const defaultConfigFile = "weir.yaml";

export const defaultAdminAddress = "127.0.0.1";
export const defaultAdminPort = 8081;
