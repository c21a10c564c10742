using System.Globalization;

namespace SafeAmqp.Testing.Protocol;

/// <summary>Class and method in one number, as they stand on the wire: AMQP 0-9-1 and RabbitMQ's extensions.</summary>
internal static class Method
{
    public const uint ConnectionStart = 10 << 16 | 10;
    public const uint ConnectionStartOk = 10 << 16 | 11;
    public const uint ConnectionSecure = 10 << 16 | 20;
    public const uint ConnectionSecureOk = 10 << 16 | 21;
    public const uint ConnectionTune = 10 << 16 | 30;
    public const uint ConnectionTuneOk = 10 << 16 | 31;
    public const uint ConnectionOpen = 10 << 16 | 40;
    public const uint ConnectionOpenOk = 10 << 16 | 41;
    public const uint ConnectionClose = 10 << 16 | 50;
    public const uint ConnectionCloseOk = 10 << 16 | 51;
    public const uint ConnectionBlocked = 10 << 16 | 60;
    public const uint ConnectionUnblocked = 10 << 16 | 61;
    public const uint ConnectionUpdateSecret = 10 << 16 | 70;
    public const uint ConnectionUpdateSecretOk = 10 << 16 | 71;
    public const uint ChannelOpen = 20 << 16 | 10;
    public const uint ChannelOpenOk = 20 << 16 | 11;
    public const uint ChannelFlow = 20 << 16 | 20;
    public const uint ChannelFlowOk = 20 << 16 | 21;
    public const uint ChannelClose = 20 << 16 | 40;
    public const uint ChannelCloseOk = 20 << 16 | 41;
    public const uint ExchangeDeclare = 40 << 16 | 10;
    public const uint ExchangeDeclareOk = 40 << 16 | 11;
    public const uint ExchangeDelete = 40 << 16 | 20;
    public const uint ExchangeDeleteOk = 40 << 16 | 21;
    public const uint ExchangeBind = 40 << 16 | 30;
    public const uint ExchangeBindOk = 40 << 16 | 31;
    public const uint ExchangeUnbind = 40 << 16 | 40;
    // 51, not 41: RabbitMQ's definition has this gap and clients rely on it.
    public const uint ExchangeUnbindOk = 40 << 16 | 51;
    public const uint QueueDeclare = 50 << 16 | 10;
    public const uint QueueDeclareOk = 50 << 16 | 11;
    public const uint QueueBind = 50 << 16 | 20;
    public const uint QueueBindOk = 50 << 16 | 21;
    public const uint QueuePurge = 50 << 16 | 30;
    public const uint QueuePurgeOk = 50 << 16 | 31;
    public const uint QueueDelete = 50 << 16 | 40;
    public const uint QueueDeleteOk = 50 << 16 | 41;
    public const uint QueueUnbind = 50 << 16 | 50;
    public const uint QueueUnbindOk = 50 << 16 | 51;
    public const uint BasicQos = 60 << 16 | 10;
    public const uint BasicQosOk = 60 << 16 | 11;
    public const uint BasicConsume = 60 << 16 | 20;
    public const uint BasicConsumeOk = 60 << 16 | 21;
    public const uint BasicCancel = 60 << 16 | 30;
    public const uint BasicCancelOk = 60 << 16 | 31;
    public const uint BasicPublish = 60 << 16 | 40;
    public const uint BasicReturn = 60 << 16 | 50;
    public const uint BasicDeliver = 60 << 16 | 60;
    public const uint BasicGet = 60 << 16 | 70;
    public const uint BasicGetOk = 60 << 16 | 71;
    public const uint BasicGetEmpty = 60 << 16 | 72;
    public const uint BasicAck = 60 << 16 | 80;
    public const uint BasicReject = 60 << 16 | 90;
    public const uint BasicRecoverAsync = 60 << 16 | 100;
    public const uint BasicRecover = 60 << 16 | 110;
    public const uint BasicRecoverOk = 60 << 16 | 111;
    public const uint BasicNack = 60 << 16 | 120;
    public const uint ConfirmSelect = 85 << 16 | 10;
    public const uint ConfirmSelectOk = 85 << 16 | 11;
    public const uint TxSelect = 90 << 16 | 10;
    public const uint TxCommit = 90 << 16 | 20;
    public const uint TxRollback = 90 << 16 | 30;

    private static readonly Dictionary<uint, string> Names = new()
    {
        [ConnectionStartOk] = "connection.start-ok",
        [ConnectionSecureOk] = "connection.secure-ok",
        [ConnectionTuneOk] = "connection.tune-ok",
        [ConnectionOpen] = "connection.open",
        [ConnectionClose] = "connection.close",
        [ConnectionCloseOk] = "connection.close-ok",
        [ConnectionBlocked] = "connection.blocked",
        [ConnectionUnblocked] = "connection.unblocked",
        [ConnectionUpdateSecret] = "connection.update-secret",
        [ChannelOpen] = "channel.open",
        [ChannelFlow] = "channel.flow",
        [ChannelFlowOk] = "channel.flow-ok",
        [ChannelClose] = "channel.close",
        [ChannelCloseOk] = "channel.close-ok",
        [ExchangeDeclare] = "exchange.declare",
        [ExchangeDelete] = "exchange.delete",
        [ExchangeBind] = "exchange.bind",
        [ExchangeUnbind] = "exchange.unbind",
        [QueueDeclare] = "queue.declare",
        [QueueBind] = "queue.bind",
        [QueuePurge] = "queue.purge",
        [QueueDelete] = "queue.delete",
        [QueueUnbind] = "queue.unbind",
        [BasicQos] = "basic.qos",
        [BasicConsume] = "basic.consume",
        [BasicCancel] = "basic.cancel",
        [BasicCancelOk] = "basic.cancel-ok",
        [BasicPublish] = "basic.publish",
        [BasicReturn] = "basic.return",
        [BasicDeliver] = "basic.deliver",
        [BasicGet] = "basic.get",
        [BasicAck] = "basic.ack",
        [BasicReject] = "basic.reject",
        [BasicRecoverAsync] = "basic.recover-async",
        [BasicRecover] = "basic.recover",
        [BasicNack] = "basic.nack",
        [ConfirmSelect] = "confirm.select",
        [TxSelect] = "tx.select",
        [TxCommit] = "tx.commit",
        [TxRollback] = "tx.rollback",
    };

    /// <summary>What no client sends, or sends only so that the other side knows: nothing comes of it.</summary>
    private static readonly HashSet<uint> Uncaught =
    [
        ConnectionSecureOk, ConnectionCloseOk, ConnectionBlocked, ConnectionUnblocked, ChannelFlowOk, ChannelCloseOk,
        BasicCancelOk, BasicReturn,
    ];

    public static ushort Class(uint method) => (ushort)(method >> 16);

    public static ushort Number(uint method) => (ushort)method;

    /// <summary>The name in the specification; the numbers for a method that it does not know.</summary>
    public static string Name(uint method) =>
        Names.TryGetValue(method, out string? name) ? name : string.Create(
            CultureInfo.InvariantCulture, $"{Class(method)}.{Number(method)}");

    /// <summary>The method of a name in the specification, of those that scripts can catch.</summary>
    public static uint Find(string name)
    {
        foreach ((uint method, string known) in Names)
            if (known == name && !Uncaught.Contains(method))
                return method;
        throw new ArgumentException($"'{name}' is no method of a client that a script can catch.", nameof(name));
    }

    public static bool IsKnown(uint method) => Names.ContainsKey(method);
}
