using RabbitMQ.Client;
using SafeAmqp.Owner;

namespace SafeAmqp.Broker;

/// <summary>Gives the broker a new secret before the old one expires, so that a connection made with a token outlives
/// it (connection.update-secret). If that fails, the broker closes the connection when the secret expires, and the next
/// connection asks for credentials anyway.</summary>
internal sealed class SecretRenewal(RabbitMqLink link, IConnection connection, string userName, CancellationToken ended)
{
    /// <summary>Renewed when so much of the validity is over: the rest is for providers and brokers that are slow or
    /// away.</summary>
    private const double RenewAfter = 0.8;

    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(1), Latest = TimeSpan.FromDays(1);

    /// <summary>Called on the owner's thread, as everything here.</summary>
    internal void Begin(TimeSpan? validFor)
    {
        if (validFor is { } time)
            WaitFor(TimeSpan.FromTicks(Math.Clamp((long)(time.Ticks * RenewAfter), Soonest.Ticks, Latest.Ticks)),
                validFor);
    }

    private void WaitFor(TimeSpan wait, TimeSpan? validFor)
        => link.Then(() => Task.Delay(wait, link.Config.Time, ended), _ =>
    {
        if (!ended.IsCancellationRequested)
            Ask(validFor);
    });

    private void Ask(TimeSpan? validFor)
        => link.Then(() => UserCode.RunAsync(() => link.Config.Credentials(ended)), asked =>
    {
        if (ended.IsCancellationRequested)
            return;
        if (!asked.IsCompletedSuccessfully)
        {
            // Only the type: the provider's own message may carry secrets.
            Failed($"the provider failed ({asked.Exception?.GetBaseException().GetType().Name ?? "cancelled"})",
                validFor);
            return;
        }
        AmqpCredentials credentials = asked.Result;
        if (credentials.UserName != userName)
            Failed("the provider now names another user, and a connection's user cannot change", validFor);
        else
            Update(credentials);
    });

    private void Update(AmqpCredentials credentials)
        => link.Then(() => connection.UpdateSecretAsync(credentials.Password, "renewed before it expires",
            CancellationToken.None), updated =>
        {
            if (ended.IsCancellationRequested)
                return;
            if (updated.IsCompletedSuccessfully)
            {
                link.Events.SecretRenewed();
                Begin(credentials.ValidFor);
            }
            else
            {
                Failed(CloseClassifier.Of(updated.Exception?.GetBaseException()
                    ?? new OperationCanceledException()).Describe(), credentials.ValidFor);
            }
        });

    // A quarter of the rest each time: a few more tries before the expiry, and rarer ones the longer there is time.
    private void Failed(string why, TimeSpan? validFor)
    {
        link.Events.SecretNotRenewed(why);
        long rest = (long)((validFor ?? TimeSpan.Zero).Ticks * (1 - RenewAfter) / 4);
        WaitFor(TimeSpan.FromTicks(Math.Clamp(rest, Soonest.Ticks, Latest.Ticks)), validFor);
    }
}
