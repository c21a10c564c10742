using System.Reflection;

namespace SafeAmqp.Tests.Architecture;

/// <summary>
/// Which room may refer to which. A room is a namespace of the library; what users see, the types of the root
/// namespace, is known to all rooms, but the client that composes them is not.
/// </summary>
public sealed class RoomTests
{
    private const string Root = "SafeAmqp";

    /// <summary>The arrows: each room, and what it may refer to besides itself and the root's types.</summary>
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Wire"] = [],
        ["Transport"] = [],
        ["Telemetry"] = [],
        ["Actor"] = ["Telemetry"],
        ["Owner"] = ["Actor", "Transport", "Telemetry"],
        ["Publishing"] = ["Actor", "Telemetry"],
        ["Topology"] = ["Actor", "Telemetry"],
        ["Consuming"] = ["Actor", "Owner", "Telemetry"],
        ["Rpc"] = ["Publishing", "Consuming", "Actor", "Owner", "Telemetry"],
        ["Broker"] = ["Wire", "Transport", "Actor", "Owner", "Telemetry"],
        ["Links"] = ["Publishing", "Topology", "Consuming", "Rpc", "Broker", "Actor", "Owner", "Telemetry"],
        ["Hosting"] = [],
    };

    /// <summary>What composes the rooms: nothing that it composes knows it.</summary>
    private static readonly string[] Composition = ["AmqpClient"];

    private static readonly Assembly Library = typeof(AmqpClient).Assembly;

    public static TheoryData<string> Rooms => [.. Arrows.Keys];

    [Theory, MemberData(nameof(Rooms))]
    public void A_room_refers_to_none_but_those_that_its_arrows_lead_to(string room)
    {
        Type[] types = [.. Library.GetTypes().Where(type => RoomOf(type) == room)];
        Assert.NotEmpty(types);
        Assert.Empty(types.SelectMany(type => Wrong(room, type)).Distinct());
    }

    [Fact]
    public void Every_room_of_the_library_has_its_arrows()
        => Assert.Equal(
            Arrows.Keys.Order(),
            Library.GetTypes().Select(RoomOf).OfType<string>().Where(room => room.Length > 0).Distinct().Order());

    [Fact]
    public void Only_the_broker_room_knows_RabbitMQ_Client()
    {
        string[] rooms = [.. Library.GetTypes()
            .Where(type => RoomOf(type) is not null)
            .Where(type => References.Of(type).Any(used => used.Assembly.GetName().Name == "RabbitMQ.Client"))
            .Select(type => RoomOf(type)!)
            .Distinct()];
        Assert.Equal(["Broker"], rooms);
    }

    [Theory]
    [InlineData(typeof(Planted.InASignature))]
    [InlineData(typeof(Planted.InCode))]
    [InlineData(typeof(Planted.InAnIterator))]
    public void A_planted_arrow_against_the_direction_is_found(Type planted)
    {
        string[] wrong = [.. Family(planted).SelectMany(type => Wrong("Actor", type)).Distinct()];
        Assert.Contains("RabbitMqLink", Assert.Single(wrong), StringComparison.Ordinal);
    }

    [Fact]
    public void An_arrow_along_the_direction_is_none()
        => Assert.Empty(Family(typeof(Planted.Nowhere)).SelectMany(type => Wrong("Actor", type)));

    private static IEnumerable<string> Wrong(string room, Type type)
        => References.Of(type)
            .Where(used => used.Assembly == Library && !IsAllowed(room, used))
            .Select(used => $"{type.FullName} refers to {used.FullName}");

    private static bool IsAllowed(string room, Type used) => RoomOf(used) switch
    {
        null => true,
        "" => room == "Hosting" || !Composition.Contains(Outermost(used).Name),
        var other => other == room || Arrows[room].Contains(other),
    };

    /// <summary>The room that a type belongs to: empty for the root, null for what generators add elsewhere.</summary>
    private static string? RoomOf(Type type) => Outermost(type).Namespace switch
    {
        Root => "",
        { } inside when inside.StartsWith($"{Root}.", StringComparison.Ordinal) => inside[(Root.Length + 1)..],
        _ => null,
    };

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    // A type with what the compiler made of its lambdas and iterators.
    private static IEnumerable<Type> Family(Type type)
        => [type, .. type.GetNestedTypes(BindingFlags.NonPublic | BindingFlags.Public).SelectMany(Family)];
}
