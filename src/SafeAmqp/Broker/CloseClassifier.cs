using System.Net.Sockets;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using SafeAmqp.Actor;
using SafeAmqp.Telemetry;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>Classifies what RabbitMQ.Client throws and reports: the reason in words, and whether the broker
/// refused.</summary>
internal static class CloseClassifier
{
    internal static CloseReason Of(ShutdownEventArgs reason)
        => new(reason.ReplyCode, StatusText.Printable(reason.ReplyText), reason.Initiator == ShutdownInitiator.Peer,
            reason.Exception)
        {
            MethodClass = reason.ClassId,
            Inequivalence = Inequivalence.Of(reason.ReplyText),
        };

    internal static CloseReason Of(Exception error) => Innermost(error) switch
    {
        OperationInterruptedException { ShutdownReason: { } reason } => Of(reason),
        // Without the exception: its text is the peer's, as it came
        AuthenticationFailureException refused
            => new CloseReason(Constants.AccessRefused, StatusText.Printable(refused.Message), ByBroker: true),
        OperationCanceledException cancelled
            => CloseReason.Local("no answer in time", new TimeoutException("No answer in time.", cancelled)),
        var other => CloseReason.Local(StatusText.Printable(Words(other)), other),
    };

    private const string AboutGuest = "By default RabbitMQ takes the user 'guest' from its own machine only: add a "
        + "user, or see its loopback_users";

    private const string AboutExternal = "RabbitMQ offers EXTERNAL with its plugin rabbitmq_auth_mechanism_ssl, when "
        + "auth_mechanisms names it";

    private const string AboutCertificate = "RabbitMQ takes the user from the certificate as ssl_cert_login_from says, "
        + "if ssl_options.verify is verify_peer";

    // RabbitMQ.Client's words, without a code
    private static bool IsNotOffered(Exception error)
        => error is IOException && error.Message.StartsWith("No compatible auth", StringComparison.OrdinalIgnoreCase);

    /// <summary>Why a user could not connect to a host.</summary>
    internal static CloseReason Of(Exception error, string host, string user, AmqpAuthMechanism mechanism)
    {
        CloseReason reason = Of(error);
        // Resolvers have words of their own, which differ, and ask again or not
        if (Innermost(error) is SocketException
            { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData })
            return reason with { Text = $"the name of the host '{host}' cannot be resolved" };
        if (IsNotOffered(Innermost(error)))
            return reason with
            {
                Text = $"the broker does not offer the mechanism {mechanism.ToString().ToUpperInvariant()}: "
                    + reason.Text + (mechanism == AmqpAuthMechanism.External ? $". {AboutExternal}" : ""),
            };
        if (reason is not { ByBroker: true, Code: Constants.AccessRefused })
            return reason;
        return mechanism == AmqpAuthMechanism.External ? reason with { Text = $"{reason.Text} {AboutCertificate}" }
            : user == BrokerAddress.Guest ? reason with { Text = $"{reason.Text} {AboutGuest}" } : reason;
    }

    /// <summary>Whether the same attempt fails again until an account is changed: refused credentials, a mechanism that
    /// is not offered, or a virtual host that is missing or closed to the user (530, 403). Such attempts are made
    /// rarely.</summary>
    internal static bool IsRefusal(Exception error) => Innermost(error) switch
    {
        AuthenticationFailureException => true,
        var other when IsNotOffered(other) => true,
        OperationInterruptedException { ShutdownReason.ReplyCode: Constants.NotAllowed or Constants.AccessRefused }
            => true,
        _ => false,
    };

    // The wrappers say only "none of the endpoints were reachable".
    private static Exception Innermost(Exception error)
    {
        while (error is BrokerUnreachableException or ConnectFailureException or AggregateException
            or PossibleAuthenticationFailureException
            && error is not AuthenticationFailureException && error.InnerException is { } inner)
            error = inner;
        return error;
    }

    private static string Words(Exception error) => error switch
    {
        SocketException socket => $"{socket.SocketErrorCode}: {socket.Message}",
        TlsRefusedException or FrameViolationException or TimeoutException or InvalidDataException => error.Message,
        EndOfStreamException => "the broker closed the connection",
        _ => $"{error.GetType().Name}: {error.Message}",
    };
}
