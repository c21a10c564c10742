using System.Text;

namespace SafeAmqp.Rpc;

/// <summary>The exceptions in which calls end once their request was sent.</summary>
internal static class CallErrors
{
    internal const int MaxFaultText = 2000;

    internal static AmqpException NoReply(AmqpMessage request, AmqpOutcome outcome, string why, AmqpClientStatus status, Exception? inner)
    {
        string fate = outcome == AmqpOutcome.Confirmed ? "The broker had confirmed the request" : "The request may or may not have arrived";
        return new AmqpNoReplyException($"No reply to the {request}: {why}. {fate}. {status}", outcome, inner) { Status = status };
    }

    internal static AmqpRemoteException Remote(AmqpMessage request, AmqpMessage reply, object? fault)
    {
        string type = Telemetry.StatusText.Printable(fault as string ?? "unknown", 200);
        string text = Telemetry.StatusText.Printable(Encoding.UTF8.GetString(reply.Body.Span[..Math.Min(reply.Body.Length, MaxFaultText)]), MaxFaultText);
        return new AmqpRemoteException($"The other side failed on the {request}: {type}{(text.Length == 0 ? "" : $": {text}")}", type);
    }
}
