namespace SafeAmqp.Testing;

/// <summary>Which way octets go.</summary>
public enum FaultDirection
{
    /// <summary>From the broker to the client.</summary>
    ToClient,

    /// <summary>From the client to the broker.</summary>
    ToBroker,

    /// <summary>Each way.</summary>
    Both,
}
