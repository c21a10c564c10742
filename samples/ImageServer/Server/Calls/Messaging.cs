using ImageServer.Protocol;
using SafeAmqp;

namespace ImageServer.Server.Calls;

/// <summary>The server's one client, and what it needs on the broker.</summary>
internal static class Messaging
{
    public static void AddMessaging(this IServiceCollection services, ImageSettings settings)
    {
        services.AddSafeAmqp(options =>
        {
            options.Uri = settings.BrokerUrl;
            options.RequireTls = settings.RequireTls;
            options.ClientName = "image-server";
        }).AddTopology(new AmqpTopology()
            .With(Queue(WorkerMessages.GenerateQueue(settings.NamePrefix), settings))
            .With(Queue(WorkerMessages.SearchQueue(settings.NamePrefix), settings))
            .Exchange(WorkerMessages.CancelExchange(settings.NamePrefix), AmqpExchangeType.Fanout));
        services.AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        services.AddSingleton<WorkerCalls>();
    }

    // A full queue refuses: several servers may share the workers, and each bounds only its own requests.
    private static AmqpQueue Queue(string name, ImageSettings settings) => new()
    {
        Name = name,
        MaxLength = WorkerMessages.MaxQueueLength,
        Overflow = AmqpOverflow.RejectPublish,
        Expires = settings.QueueExpiry,
    };
}
