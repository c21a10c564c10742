using SafeAmqp.Actor;
using SafeAmqp.Broker;

namespace SafeAmqp.Tests.Architecture;

/// <summary>
/// References against the direction, for the test of the test: in a signature, in code, in an iterator.
/// </summary>
internal static class Planted
{
    internal sealed class InASignature
    {
        internal RabbitMqLink? Link { get; set; }
    }

    internal sealed class InCode
    {
        internal static string Describe(object link) => link is RabbitMqLink ? "a link" : "something else";
    }

    internal sealed class InAnIterator
    {
        internal static IEnumerable<object> All()
        {
            yield return typeof(RabbitMqLink);
        }
    }

    internal sealed class Nowhere
    {
        internal static string Describe(object link) => link is IBrokerLink ? "a link" : "something else";
    }
}
